"""Where data sets are published: for each file its address, its SHA-256 and its size.

The addresses of GitHub name a commit, so that what lies there cannot change. Of 28 files the hash
was computed from the content at that commit. Of the others it is what public repositories state:
several that have nothing to do with one another for ``arxiv.zip``, ``ind.pubmed.allx``,
``roman_empire.npz`` and ``amazon_ratings.npz``; one for ``questions.npz``, which also has the id of
the file in that commit, and the right hash of each file of the benchmark that could be checked.
"""

from __future__ import annotations

from dataclasses import dataclass

_PLANETOID = (
    "https://raw.githubusercontent.com/kimiyoung/planetoid/"
    "af6abf468a772cc055bec88c52e4d6f51b7c37e3/data"
)
_HETEROPHILOUS = (
    "https://raw.githubusercontent.com/yandex-research/heterophilous-graphs/"
    "a431395582e929d88271309716bea4fe24ce6318/data"
)
_OGB = "https://snap.stanford.edu/ogb/data/nodeproppred"


@dataclass(frozen=True)
class Published:
    """One file that can be downloaded."""

    url: str
    """Its address."""
    sha256: str
    """Of its content, in hexadecimal digits."""
    size: int | None
    """In bytes; None where it is not known."""

    @property
    def name(self) -> str:
        """The last part of the address.

        >>> PUBLISHED["actor"][0].name
        'actor.npz'
        """
        return self.url.rpartition("/")[2]


_HASHES: dict[str, tuple[str, int | None]] = {
    "ind.cora.x": ("23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab", 22_119),
    "ind.cora.tx": ("b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a", 148_025),
    "ind.cora.allx": ("9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543", 257_305),
    "ind.cora.y": ("94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1", 4054),
    "ind.cora.ty": ("41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad", 28_135),
    "ind.cora.ally": ("2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71", 47_959),
    "ind.cora.graph": ("58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d", 59_847),
    "ind.cora.test.index": (
        "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
        5000,
    ),
    "ind.citeseer.x": ("d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6", 31_087),
    "ind.citeseer.tx": (
        "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
        260_321,
    ),
    "ind.citeseer.allx": (
        "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
        595_021,
    ),
    "ind.citeseer.y": ("8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924", 3014),
    "ind.citeseer.ty": ("55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce", 24_135),
    "ind.citeseer.ally": (
        "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
        55_623,
    ),
    "ind.citeseer.graph": (
        "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
        61_987,
    ),
    "ind.citeseer.test.index": (
        "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
        5000,
    ),
    "ind.pubmed.x": ("fbe9cb5c47200d1b7769a26e579be3b7130b556831f9d850e77c4c74f2599b33", 23_172),
    "ind.pubmed.tx": ("4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d", 405_505),
    "ind.pubmed.allx": ("508e538e2abdccdd54c4d3e9f49d638b4af7107d85845f66ddea5a5152658b7e", None),
    "ind.pubmed.y": ("e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3", 854),
    "ind.pubmed.ty": ("ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd", 12_135),
    "ind.pubmed.ally": (
        "0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e",
        224_739,
    ),
    "ind.pubmed.graph": (
        "5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9",
        471_808,
    ),
    "ind.pubmed.test.index": (
        "b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5",
        6000,
    ),
    "actor.npz": ("c350eef06b2c2a9bf8218be2b57cac6d4003d0922eb597a039e9123f75817816", 252_956),
    "chameleon_filtered.npz": (
        "bf46f07e1fb5249280447e5fe3100f3e82fc4b93ad1e13ffcfdec924b6ac0bb5",
        58_924,
    ),
    "squirrel_filtered.npz": (
        "f06370ffb3116c5de8b7a600005400b2293c025e0ce2f6916d8201a825505ac7",
        208_215,
    ),
    "minesweeper.npz": (
        "e664c8dacf1e8ac466c2c09ed4b237bd2c5541f47a6eae9c6092cb87f16412b3",
        135_045,
    ),
    "roman_empire.npz": (
        "a58ba741d123bf892fe5c872138d07463d75a2e9012360b8dd78ac2d4766d428",
        20_401_489,
    ),
    "amazon_ratings.npz": (
        "4c3a3e3b9d9f6cba0fede4625a00aad8c5721c1a36ed771367f446763241c7dd",
        27_744_018,
    ),
    "tolokers.npz": ("dacf3ac94cec53d03cd2adb5255c08b33dee1656c33ca8164a464bd9450a1667", 1_329_769),
    "questions.npz": (
        "757ebd772bab1475c4dd951ca9e364400c6db161656cff9d21780ee874cf3074",
        47_369_919,
    ),
    "arxiv.zip": ("49f85c801589ecdcc52cfaca99693aaea7b8af16a9ac3f41dd85a5f3193fe276", 83_058_288),
}


def _files(base: str, *names: str) -> tuple[Published, ...]:
    return tuple(Published(f"{base}/{name}", *_HASHES[name]) for name in names)


def _planetoid(name: str) -> tuple[Published, ...]:
    return _files(_PLANETOID, *(file for file in _HASHES if file.startswith(f"ind.{name}.")))


#: The files of every data set that can be downloaded, by its name.
PUBLISHED: dict[str, tuple[Published, ...]] = {
    "cora": _planetoid("cora"),
    "citeseer": _planetoid("citeseer"),
    "pubmed": _planetoid("pubmed"),
    "ogbn-arxiv": _files(_OGB, "arxiv.zip"),
    "actor": _files(_HETEROPHILOUS, "actor.npz"),
    "chameleon": _files(_HETEROPHILOUS, "chameleon_filtered.npz"),
    "squirrel": _files(_HETEROPHILOUS, "squirrel_filtered.npz"),
    "minesweeper": _files(_HETEROPHILOUS, "minesweeper.npz"),
    "roman-empire": _files(_HETEROPHILOUS, "roman_empire.npz"),
    "amazon-ratings": _files(_HETEROPHILOUS, "amazon_ratings.npz"),
    "tolokers": _files(_HETEROPHILOUS, "tolokers.npz"),
    "questions": _files(_HETEROPHILOUS, "questions.npz"),
}
