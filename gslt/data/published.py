"""Where data sets are published: for each file its address, its SHA-256 and its size.

The addresses of GitHub name a commit, so that what lies there cannot change. Of 28 files the hash
was computed from the content at that commit. Of the others it is what public repositories state:
several that have nothing to do with one another for ``arxiv.zip``, ``ind.pubmed.allx``,
``roman_empire.npz``, ``amazon_ratings.npz`` and the two archives of CIFAR; one for
``questions.npz``, which also has the id of the file in that commit, and the right hash of each file
of the benchmark that could be checked. Of the four files of gnn-benchmark no SHA-256 could be had:
their id in git is compared instead, which is a SHA-1 of size and content. The 36 hashes of
Geom-GCN's files were computed from the content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from gslt.data.labelled import LabelledData

_PLANETOID = (
    "https://raw.githubusercontent.com/kimiyoung/planetoid/"
    "af6abf468a772cc055bec88c52e4d6f51b7c37e3/data"
)
_HETEROPHILOUS = (
    "https://raw.githubusercontent.com/yandex-research/heterophilous-graphs/"
    "a431395582e929d88271309716bea4fe24ce6318/data"
)
_GEOM_GCN = (
    "https://raw.githubusercontent.com/graphdml-uiuc-jlu/geom-gcn/"
    "f1fc0d14b3b019c562737240d06ec83b07d16a8f"
)
_GNN_BENCHMARK = (
    "https://raw.githubusercontent.com/shchur/gnn-benchmark/"
    "1e72912a0810cdf27ae54fd589a3b43358a2b161/data/npz"
)
_CIFAR = "https://www.cs.toronto.edu/~kriz"
_OGB = "https://snap.stanford.edu/ogb/data/nodeproppred"


@dataclass(frozen=True)
class Published:
    """One file that can be downloaded."""

    url: str
    """Its address."""
    sha256: str | None
    """Of its content, in hexadecimal digits; None where it is not known."""
    size: int | None = None
    """In bytes; None where it is not known."""
    git: str | None = None
    """The file's id in git, in hexadecimal digits, where that is what is known of it."""

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
    "cifar-10-binary.tar.gz": (
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        170_052_171,
    ),
    "cifar-100-binary.tar.gz": (
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        168_513_733,
    ),
    "arxiv.zip": ("49f85c801589ecdcc52cfaca99693aaea7b8af16a9ac3f41dd85a5f3193fe276", 83_058_288),
}

#: By the place in the repository.
_WEBKB: dict[str, tuple[str, int]] = {
    "new_data/cornell/out1_node_feature_label.txt": (
        "cf5a3ca346cdd1210b8342e22517fcbbdae658065b7a3145f59350e50e6236a3",
        624_308,
    ),
    "new_data/cornell/out1_graph_edges.txt": (
        "c4522a00cc40873c8a04a3a07c49e24a48a507eb284ac9c9f2d3e0590351bbb7",
        2_001,
    ),
    "splits/cornell_split_0.6_0.2_0.npz": (
        "14022a1e19ec7fc0a07a2c06a785a2f9dc52809dbcd1c14fc318f7800675d73f",
        704,
    ),
    "splits/cornell_split_0.6_0.2_1.npz": (
        "5568fa27e968a724c92211bf97026a36a08893cf94b218043e49b4c973c35cfb",
        700,
    ),
    "splits/cornell_split_0.6_0.2_2.npz": (
        "763fc1f423395e4172617fa5b6bc0d7adad2241e5fedd1a4f0a098a67f9dc8e9",
        695,
    ),
    "splits/cornell_split_0.6_0.2_3.npz": (
        "4334321cd9ec42de9d51107fb9a6dc310512e0921bc1cff0f390301ee37315fa",
        701,
    ),
    "splits/cornell_split_0.6_0.2_4.npz": (
        "2b6b3ef396f4dc7fcdc276fb16b88bb87409b25879dd672b3a506eca844dd8d7",
        759,
    ),
    "splits/cornell_split_0.6_0.2_5.npz": (
        "1a40ef8b20aa9e1aa850e1abdaba3efac1f66c98ef2c6a59eadefa21136ece6b",
        754,
    ),
    "splits/cornell_split_0.6_0.2_6.npz": (
        "bcddf4ab59eae4c7d47b8a6cec9025a54ec0e6d3f3bdcd7678e201f25ace4642",
        758,
    ),
    "splits/cornell_split_0.6_0.2_7.npz": (
        "2b497e12dfc123d7e7c9bb4fc4a82b5bee18409e109a3e3a04da439cacec964d",
        693,
    ),
    "splits/cornell_split_0.6_0.2_8.npz": (
        "5c4e110d252d7ad156b2e4cd34b6dbd1cecbcc1755f8d72e932cc2a54f2b643c",
        701,
    ),
    "splits/cornell_split_0.6_0.2_9.npz": (
        "80f1531807194d301affbf6f879a4ab4f56a19bdccb62d192e3ecd1b5275f052",
        704,
    ),
    "new_data/texas/out1_node_feature_label.txt": (
        "cf5a3ca346cdd1210b8342e22517fcbbdae658065b7a3145f59350e50e6236a3",
        624_308,
    ),
    "new_data/texas/out1_graph_edges.txt": (
        "0fe85183243a78cbee9b85a684f8240963d04d1020d10e9cd2b8cfb25e33b476",
        2_172,
    ),
    "splits/texas_split_0.6_0.2_0.npz": (
        "7ba77bf7a8856fcc0ab15623a611b8cdce994e820f577da914123fb4f45272b0",
        698,
    ),
    "splits/texas_split_0.6_0.2_1.npz": (
        "21cc244a96e3c51ad7993afb4dd227f90e467d82b964bb42d7d9fc500a6ef87f",
        701,
    ),
    "splits/texas_split_0.6_0.2_2.npz": (
        "b9e96a699ccf3a4c31ffbd03e52b25570889833425d20fa44e06c37b327cf61e",
        756,
    ),
    "splits/texas_split_0.6_0.2_3.npz": (
        "1a7deeb1285009789d5e6045d7e39f7d019c9223d9a75a2b7ce5e26d33b51f63",
        759,
    ),
    "splits/texas_split_0.6_0.2_4.npz": (
        "b5419ff3fe31adcae66fdb085d4f47d0b188e9436ab59f438632af969aafc674",
        702,
    ),
    "splits/texas_split_0.6_0.2_5.npz": (
        "68405fd1b9ff6105d99717220ecbd198785e338bf4a73abee722bbc9703d2667",
        691,
    ),
    "splits/texas_split_0.6_0.2_6.npz": (
        "8ad78b973164e70e5ac0d282e79adcbc6006e373909fbdfd72a13131e09040b8",
        756,
    ),
    "splits/texas_split_0.6_0.2_7.npz": (
        "a84bcbf997365bddf5fdf72ed49dc7e435e475f8c6210f8cdee7c8581a2bd6df",
        693,
    ),
    "splits/texas_split_0.6_0.2_8.npz": (
        "65ba65f296f91d40d2d7d3c9369b67415094a7e254c6eee48cd6d6531c586fdf",
        762,
    ),
    "splits/texas_split_0.6_0.2_9.npz": (
        "4306981d654ad8835c000c1f73fb6c1e60dfe99e26c13a6073f3b0f4cc3ce6ee",
        693,
    ),
    "new_data/wisconsin/out1_node_feature_label.txt": (
        "a32b0aa38d42f0d36841e8a8cb646d197f0ff33a182ac75a2b4476aeed3c7e4b",
        856_324,
    ),
    "new_data/wisconsin/out1_graph_edges.txt": (
        "ebd213511c88fce1eda450c2f920600c4b8cbb38f02384856bcc47c6ec1807ae",
        3_606,
    ),
    "splits/wisconsin_split_0.6_0.2_0.npz": (
        "f66f641e191d35d491cd3b63d6c2cd93c4b436da398984b44c19a8d4d7e7b1a5",
        805,
    ),
    "splits/wisconsin_split_0.6_0.2_1.npz": (
        "534aeb97266bd5a85a8587adf8eebad3f2e001c1240610f24b62c0ad0c2466ee",
        739,
    ),
    "splits/wisconsin_split_0.6_0.2_2.npz": (
        "047a5b641778ec3a4c76055fd7f18ecb2424c0952f20dfff7e1b17749d8acbdd",
        747,
    ),
    "splits/wisconsin_split_0.6_0.2_3.npz": (
        "706c27b4c51d046c0316f1e915f093e4a1fff48b3436b3e7c421eab596a99e77",
        810,
    ),
    "splits/wisconsin_split_0.6_0.2_4.npz": (
        "7ee813605eec086457aaff022cf3837f2f893fcf8bd37e3a8d2ff0c80e4c4f87",
        812,
    ),
    "splits/wisconsin_split_0.6_0.2_5.npz": (
        "8094ac2bdaf2cbea8f7a48df66a0800c809b2fd5942740e6b0441b660d3a0dd5",
        749,
    ),
    "splits/wisconsin_split_0.6_0.2_6.npz": (
        "c423a8deea9b18f9ecb6cfd703578e2159df167de01fe7e6195b88995010252d",
        735,
    ),
    "splits/wisconsin_split_0.6_0.2_7.npz": (
        "57ad808c8d4dd94dc4404124370bbcebb3dcc597c2bea6457bf05f220adf1527",
        733,
    ),
    "splits/wisconsin_split_0.6_0.2_8.npz": (
        "27d4d62a2a6aea2cdc399302237512ab0d64fb0c84e648112f97c5896274e42f",
        741,
    ),
    "splits/wisconsin_split_0.6_0.2_9.npz": (
        "3c149cd124a19021031609e0d7743a7be59aae4f88c8d38410138e8f06f5daaf",
        744,
    ),
}
#: Ids in git.
_CO_PURCHASES_AND_AUTHORS = {
    "amazon_electronics_computers.npz": "8120e4148a330b3fafe37c4476823302d9d834b9",
    "amazon_electronics_photo.npz": "97323743cb56aca9dd611f5b4b46862c1c9c6bd9",
    "ms_academic_cs.npz": "9bdd7da943d86b74297e8d32e99eb64245b52835",
    "ms_academic_phy.npz": "8d8bc12e29aa67f6753a712080eae81079bd7d01",
}


def _files(base: str, *names: str) -> tuple[Published, ...]:
    return tuple(Published(f"{base}/{name}", *_HASHES[name]) for name in names)


def _planetoid(name: str) -> tuple[Published, ...]:
    return _files(_PLANETOID, *(file for file in _HASHES if file.startswith(f"ind.{name}.")))


def _webkb(name: str) -> tuple[Published, ...]:
    places = [place for place in _WEBKB if f"/{name}" in place]
    return tuple(Published(f"{_GEOM_GCN}/{place}", *_WEBKB[place]) for place in places)


def _by_git(name: str) -> tuple[Published, ...]:
    file = f"{_GNN_BENCHMARK}/{name}"
    return (Published(file, None, git=_CO_PURCHASES_AND_AUTHORS[name]),)


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
    "cornell": _webkb("cornell"),
    "texas": _webkb("texas"),
    "wisconsin": _webkb("wisconsin"),
    "amazon-computers": _by_git("amazon_electronics_computers.npz"),
    "amazon-photo": _by_git("amazon_electronics_photo.npz"),
    "cifar10": _files(_CIFAR, "cifar-10-binary.tar.gz"),
    "cifar100": _files(_CIFAR, "cifar-100-binary.tar.gz"),
    "coauthor-cs": _by_git("ms_academic_cs.npz"),
    "coauthor-physics": _by_git("ms_academic_phy.npz"),
}


def _counts(nodes: int, features: int, classes: int, edges: int | None = None) -> dict[str, int]:
    known = {"nodes": nodes, "features": features, "classes": classes}
    return known if edges is None else {**known, "edges": edges}


#: What is published of each graph: nodes, features, classes; where it could be compared with the
#: files, also directed edges as gslt has them. Of OGBN-Arxiv also its one split.
COUNTS: dict[str, Mapping[str, int]] = {
    "cora": _counts(2708, 1433, 7, 10_556),
    "citeseer": _counts(3327, 3703, 6, 9104),
    "pubmed": _counts(19_717, 500, 3),
    "ogbn-arxiv": {
        **_counts(169_343, 128, 40, 2_315_598),
        "train": 90_941,
        "val": 29_799,
        "test": 48_603,
    },
    "actor": _counts(7600, 932, 5, 53_318),
    "chameleon": _counts(890, 2325, 5, 17_708),
    "squirrel": _counts(2223, 2089, 5),
    "minesweeper": _counts(10_000, 7, 2, 78_804),
    "roman-empire": _counts(22_662, 300, 18),
    "amazon-ratings": _counts(24_492, 300, 5),
    "tolokers": _counts(11_758, 10, 2),
    "questions": _counts(48_921, 301, 2),
    "cornell": _counts(183, 1703, 5),
    "texas": _counts(183, 1703, 5),
    "wisconsin": _counts(251, 1703, 5),
    "amazon-computers": _counts(13_752, 767, 10),
    "amazon-photo": _counts(7650, 745, 8),
    "coauthor-cs": _counts(18_333, 6805, 15),
    "coauthor-physics": _counts(34_493, 8415, 5),
    "twitch-de": _counts(9498, 128, 2),
    "twitch-en": _counts(7126, 128, 2),
    "twitch-es": _counts(4648, 128, 2),
    "twitch-fr": _counts(6551, 128, 2),
    "twitch-pt": _counts(1912, 128, 2),
    "twitch-ru": _counts(4385, 128, 2),
}

#: :func:`labels_digest` of OGBN-Arxiv, computed from its own ``node-label`` and ``split/time``. Of
#: its edges and features there is none: only the whole archive's hash is known, see ``PUBLISHED``.
LABELS = {"ogbn-arxiv": "3ed0232f24de090090faaffcb722f7e3a305126d037d47c992ef413f3717b522"}


def labels_digest(data: LabelledData) -> str:
    """SHA-256 of labels and split in the order of the nodes, 64 hexadecimal digits.

    Of a label as a little-endian int64 for each node, and behind them a byte for each: 0, 1 or 2
    for training, validation or test, 255 for none.

    Args:
        data: one class a node.
    """
    split = torch.full((data.num_items,), 255, dtype=torch.uint8)
    for number, mask in enumerate(data.splits.values()):
        split[mask.cpu()] = number
    labels = data.y.cpu().numpy().astype("<i8").tobytes()
    return hashlib.sha256(labels + split.numpy().tobytes()).hexdigest()


def unlike(name: str, data: LabelledData, *, whole: bool = True) -> str:
    """What data has that the published data set of a name has not, in words; empty if nothing.

    Args:
        name: of a data set; one of which nothing is known is like all.
        data: what was found.
        whole: whether it is as it was found; where other features, labels or edges were asked for,
            only its nodes are counted.
    """
    known = {k: n for k, n in COUNTS.get(name, {}).items() if whole or k == "nodes"}
    found = {**data.counts, **{split: int(mask.sum()) for split, mask in data.splits.items()}}
    wrong = [
        f"{found[what]:,} {what} and not {count:,}"
        for what, count in known.items()
        if found[what] != count
    ]
    if whole and not wrong and name in LABELS and labels_digest(data) != LABELS[name]:
        wrong = ["other labels, or another split, of as many nodes"]
    return ", ".join(wrong)


def another(name: str, data: LabelledData) -> str:
    """The name of a graph that has the name of a published one and is not that.

    Args:
        name: that its file or folder has.
        data: the graph.
    """
    return f"{name} (another graph of {data.num_items:,} {data.item}s)"
