"""Tickets: a seed, a description of the source network and a few packed bits, in one sealed file.

``ticket`` is what others use: take a ticket of a frozen module, load one, make a model of it;
``overlaps`` compares two.
``weak`` is for those whose weights were trained. Below them ``schema`` says what a ticket holds and
the rules among its parts, ``file`` writes and reads that into a sealed file
(:mod:`gslt.files.container`), and ``mask_code`` turns masks into bytes. ``docs/ticket-format.md``
specifies the bytes.
"""

from __future__ import annotations

from gslt.ticket.overlaps import Overlap, TicketOverlap, overlap
from gslt.ticket.schema import Architecture, StoredTicket
from gslt.ticket.ticket import Ticket, TicketSize, load_ticket, weights_checksum

__all__ = [
    "Architecture",
    "Overlap",
    "StoredTicket",
    "Ticket",
    "TicketOverlap",
    "TicketSize",
    "load_ticket",
    "overlap",
    "weights_checksum",
]
