"""Tickets: a seed, a description of the source network and a few packed bits, in one sealed file.

``docs/ticket-format.md`` specifies the bytes.
"""

from __future__ import annotations

from gslt.ticket.ticket import Ticket, TicketSize, load_ticket

__all__ = ["Ticket", "TicketSize", "load_ticket"]
