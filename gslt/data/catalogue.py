"""The data sets that gslt knows by name: what they are, where they may lie, how they are loaded."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gslt.data import cifar
from gslt.data.dataset import NodeDataset
from gslt.data.debian import DEBIAN_FILE, load_debian
from gslt.data.debian import SOURCE as DEBIAN_SOURCE
from gslt.data.folders import is_part, read_folder
from gslt.data.formats import ENDINGS, read_file, tell_direction
from gslt.data.heterophilous import SOURCE as HETEROPHILOUS_SOURCE
from gslt.data.heterophilous import is_heterophilous, load_heterophilous
from gslt.data.images import ImageDataset
from gslt.data.ogb import (
    ARXIV,
    STANDIN_SOURCE,
    find_arxiv,
    load_ogb,
    missing_files,
    missing_members,
    ogb_folder,
)
from gslt.data.ogb import SOURCE as ARXIV_SOURCE
from gslt.data.options import Fractions, ReadOptions, split_address, with_options
from gslt.data.parts import Parts
from gslt.data.planetoid import SOURCE as PLANETOID_SOURCE
from gslt.data.planetoid import load_planetoid, raw_files
from gslt.data.published import PUBLISHED, another, unlike
from gslt.data.synthetic import STANDIN_FOLDER
from gslt.data.unsplit import SHCHUR_SOURCE, TWITCH_SOURCE, load_shchur, load_twitch
from gslt.data.webkb import SOURCE as WEBKB_SOURCE
from gslt.data.webkb import load_webkb, webkb_files
from gslt.errors import ConfigError, DataError, DataWarning, nearest, pasted, warn
from gslt.files import read_npz, reading

#: Environment variable that names the default root.
ROOT_VARIABLE = "GSLT_DATA"
_LONGEST_NAME = 200
#: Languages of Twitch's graphs, as PyG calls them.
TWITCH = ("DE", "EN", "ES", "FR", "PT", "RU")

Dataset = NodeDataset | ImageDataset


@dataclass(frozen=True)
class Layout:
    """How files on disk become a data set."""

    load: Callable[[Path, str, int], Dataset]
    """From where it lies, its name and the number of its split."""
    source: str
    """Where it comes from, and its licence where it is known."""
    is_complete: Callable[[Path, str], bool] = lambda path, _name: path.is_file()
    """Whether what lies at a path has every file that the data set of this name needs."""
    several_splits: bool = False
    find: Callable[[Path], Path | None] = lambda _root: None
    """Finds it below a root by what is in it, where it lies at none of its places."""


def _load_ogb(path: Path, name: str) -> NodeDataset:
    return load_ogb(path, name) if path.is_dir() else read_folder(path, name)


def _is_whole_ogb(path: Path) -> bool:
    if path.is_dir():
        return not missing_files(ogb_folder(path))
    with contextlib.suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        return not missing_members(archive.namelist())
    return False


LAYOUTS: dict[str, Layout] = {
    "embedded": Layout(lambda path, _name, _split: load_debian(path), DEBIAN_SOURCE),
    "planetoid": Layout(
        lambda path, name, _split: load_planetoid(path, name),
        PLANETOID_SOURCE,
        lambda path, name: all((path / file).is_file() for file in raw_files(name)),
    ),
    "ogb": Layout(
        lambda path, name, _split: _load_ogb(path, name),
        ARXIV_SOURCE,
        lambda path, _name: _is_whole_ogb(path),
        find=find_arxiv,
    ),
    "standin": Layout(
        lambda path, name, _split: load_ogb(path, name),
        STANDIN_SOURCE,
        lambda path, _name: not missing_files(path),
    ),
    "heterophilous": Layout(load_heterophilous, HETEROPHILOUS_SOURCE, several_splits=True),
    "webkb": Layout(
        load_webkb,
        WEBKB_SOURCE,
        lambda path, name: all((path / file).is_file() for file in webkb_files(name)),
        several_splits=True,
    ),
    "gnn-benchmark": Layout(load_shchur, SHCHUR_SOURCE, several_splits=True),
    "twitch": Layout(load_twitch, TWITCH_SOURCE, several_splits=True),
    "cifar": Layout(
        cifar.load_cifar,
        cifar.SOURCE,
        lambda path, _name: cifar.is_complete(path),
        several_splits=True,
    ),
}


@dataclass(frozen=True)
class Entry:
    """One data set that is known by name."""

    description: str
    layout: str
    """A key of :data:`LAYOUTS`."""
    places: tuple[str, ...] = ()
    """Where it may lie, relative to the root, the first being where a download puts it."""
    synthetic: bool = False
    """Whether it was generated."""


def _planetoid(folder: str, description: str) -> Entry:
    return Entry(description, "planetoid", (f"planetoid/{folder}/raw", f"{folder}/raw"))


def _heterophilous(file: str, description: str, *, synthetic: bool = False) -> Entry:
    places = (f"heterophilous/{file}.npz", f"{file}.npz")
    return Entry(description, "heterophilous", places, synthetic)


def _webkb(name: str) -> Entry:
    description = f"web pages of {name.capitalize()}'s computer science, and their links"
    return Entry(description, "webkb", (f"webkb/{name}/raw", f"{name}/raw"))


def _shchur(folder: str, file: str, description: str) -> Entry:
    places = (f"gnn-benchmark/{file}.npz", f"{folder}/raw/{file}.npz", f"{file}.npz")
    return Entry(description, "gnn-benchmark", places)


def _twitch(country: str) -> Entry:
    places = (f"twitch/{country}.npz", f"{country}/raw/{country}.npz")
    return Entry(f"Twitch gamers of {country} and who follows whom", "twitch", places)


#: Where ogb puts OGBN-Arxiv, and where it lies if ogb did not come to its end.
ARXIV_PLACES = tuple(
    f"{stem}{end}"
    for end in ("", "_pyg", "_dgl", ".zip")
    for stem in ("ogbn_arxiv", "ogbn-arxiv", "arxiv")
)

#: Every data set that is known by name.
DATASETS: dict[str, Entry] = {
    "debian": Entry("packages of Debian 12 and what they depend on", "embedded"),
    "cora": _planetoid("Cora", "machine learning papers and their citations"),
    "citeseer": _planetoid("Citeseer", "computer science papers and their citations"),
    "pubmed": _planetoid("Pubmed", "papers on diabetes and their citations"),
    ARXIV: Entry("computer science papers on arXiv and their citations", "ogb", ARXIV_PLACES),
    f"{ARXIV}-synthetic": Entry(
        "synthetic stand-in with the counts of OGBN-Arxiv", "standin", (STANDIN_FOLDER,), True
    ),
    "actor": _heterophilous("actor", "actors on the same web page"),
    "chameleon": _heterophilous("chameleon_filtered", "linked web pages, repetitions removed"),
    "squirrel": _heterophilous("squirrel_filtered", "linked web pages, repetitions removed"),
    "minesweeper": _heterophilous(
        "minesweeper", "synthetic grid of cells, some with mines", synthetic=True
    ),
    "roman-empire": _heterophilous("roman_empire", "words of one article and their syntax"),
    "amazon-ratings": _heterophilous("amazon_ratings", "products that are bought together"),
    "tolokers": _heterophilous("tolokers", "crowd workers on the same tasks"),
    "questions": _heterophilous("questions", "users who answered one another"),
    "cornell": _webkb("cornell"),
    "texas": _webkb("texas"),
    "wisconsin": _webkb("wisconsin"),
    "amazon-computers": _shchur(
        "Computers", "amazon_electronics_computers", "computer goods that are bought together"
    ),
    "amazon-photo": _shchur(
        "Photo", "amazon_electronics_photo", "photo goods that are bought together"
    ),
    "coauthor-cs": _shchur("CS", "ms_academic_cs", "computer scientists and their coauthors"),
    "coauthor-physics": _shchur("Physics", "ms_academic_phy", "physicists and their coauthors"),
    **{f"twitch-{country.lower()}": _twitch(country) for country in TWITCH},
    "cifar10": Entry("images of ten classes", "cifar", cifar.places("cifar10")),
    "cifar100": Entry("images of a hundred classes", "cifar", cifar.places("cifar100")),
}


def known_name(name: str) -> str | None:
    """The one spelling of a name in any case, with ``-`` or ``_``; None if it is unknown.

    >>> known_name("OGBN_Arxiv")
    'ogbn-arxiv'
    """
    normal = _normal(name)
    return normal if normal in DATASETS else None


def get_name(name: str) -> str:
    """The one spelling of a known name.

    Raises:
        ConfigError: if the name is unknown.
    """
    known = known_name(name)
    if known is None:
        raise ConfigError(unknown_name(name))
    return known


def _normal(name: str) -> str:
    return name.strip().lower().replace("_", "-")


#: OGB's other data sets of nodes: what there is to say of each, behind its name.
_OTHERS_OF_OGB = {
    "ogbn-products": "is read by the path of its folder or zip",
    "ogbn-mag": "is of several kinds of nodes, and gslt's networks take one",
    "ogbn-proteins": "has no features of nodes, and features of edges, which gslt does not read",
    "ogbn-papers100m": "is stored in another layout, which gslt does not read",
}


def unknown_name(name: str) -> str:
    """The sentence that refuses a name, or its beginning, with the closest known one."""
    name = name[:_LONGEST_NAME]
    hint = nearest(_normal(name), DATASETS) + "."
    if (why := _OTHERS_OF_OGB.get(_normal(name))) is not None:
        hint = f": {_normal(name)} {why}."
    known = ", ".join(DATASETS)
    return f"there is no data set {name!r}, by name or by path{hint} Known are {known}"


def data_root(root: str | Path | None) -> Path:
    """The root that is meant: the argument, the environment variable, or ``dataset``."""
    if root is None:
        root = os.environ.get(ROOT_VARIABLE) or "dataset"
    return _path_of(str(root))


def _path_of(text: str) -> Path:
    """A path in which ``~`` is a home folder.

    Raises:
        ConfigError: if nobody has that home, or the text can be no path.
    """
    try:
        path = Path(text).expanduser()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            path.stat()
    except (RuntimeError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)[:_LONGEST_NAME]
        raise ConfigError(
            f"{text[:_LONGEST_NAME]!r} can be no path ({reason}); name another"
        ) from error
    return path


def address(name: str) -> str:
    """What names the same data set from any folder: a known name, or a whole path.

    Args:
        name: name or path, as :func:`load_dataset` takes it.

    Raises:
        ConfigError: if it can be neither.
    """
    place, options = place_and_options(name)
    if not place.strip():
        return name
    path = _path_of(place)
    if path.exists():
        return with_options(str(path.resolve()), options)
    return known_name(name) or name


#: Path of each file, its size in bytes, and when it was modified and exchanged, in ns.
FileStamps = tuple[tuple[str, int, int, int], ...]


def file_stamps(name: str, root: str | Path | None = None) -> FileStamps:
    """What changes when a file of a data set does, but for its content.

    Args:
        name: name or path, as :func:`load_dataset` takes it.
        root: as there.

    Raises:
        ConfigError: if the name can be neither.
    """
    text, _ = place_and_options(name)
    known, place = known_name(text), _path_of(text)
    if known is not None and not place.exists():
        found = find_dataset(known, data_root(root))
        if found is None:
            return ()
        place = found
    with reading(place, DataError, "a data set", "choose another"):
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        stats = [(str(file), file.stat()) for file in files if file.is_file()]
    return tuple((file, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for file, s in stats)


def find_dataset(name: str, root: Path) -> Path | None:
    """Where a data set lies below the root; None if it does not. Case does not matter.

    Args:
        name: a key of :data:`DATASETS`.
        root: folder that may hold it; the embedded graph needs none.
    """
    entry = DATASETS[name]
    if entry.layout == "embedded":
        return DEBIAN_FILE
    places = [found for place in entry.places if (found := _descend(root, place)) is not None]
    if len(places) > 1:
        places.sort(key=lambda path: not is_complete(name, path))
    return places[0] if places else LAYOUTS[entry.layout].find(root)


def is_complete(name: str, path: Path) -> bool:
    """Whether what lies at ``path`` has every file that the data set needs.

    Args:
        name: a key of :data:`DATASETS`.
        path: of :func:`find_dataset`.
    """
    return LAYOUTS[DATASETS[name].layout].is_complete(path, name)


def _descend(root: Path, place: str) -> Path | None:
    # PyG writes CiteSeer, the original files citeseer, others Citeseer.
    for part in place.split("/"):
        if not root.is_dir():
            return None
        with reading(root, DataError, "a folder of data sets", "choose another root"):
            found = sorted(each for each in root.iterdir() if each.name.lower() == part.lower())
        if not found:
            return None
        root = found[0]
    return root


@dataclass(frozen=True)
class DatasetFacts:
    """What :func:`list_datasets` says of one data set."""

    name: str
    """What :func:`load_dataset` calls it."""
    description: str
    """What its nodes and edges, or images, are."""
    source: str
    """Where it comes from, and its licence where it is known."""
    needs_download: bool
    """Whether ``download_dataset`` must fetch it first."""
    synthetic: bool
    """Whether it was generated: no result on it says anything about real data."""
    present: bool
    """Whether it can be loaded now."""


def load_dataset(
    name: str | os.PathLike[str],
    root: str | Path | None = None,
    *,
    split: int = 0,
    x: str | None = None,
    y: str | None = None,
    features: str | None = None,
    undirected: bool | None = None,
    fractions: Fractions | None = None,
    metric: str | None = None,
) -> Dataset:
    """Load a data set from disk. Nothing is ever downloaded here, and nothing in a file is run.

    A path is read by the ending of its name: ``.npz`` of the heterophilous-graphs benchmark, of
    gnn-benchmark and nettack (parts of sparse matrices ``adj_…``, ``attr_…``, and ``labels``);
    ``.mat`` of LINKX (``edge_index`` or ``A``, ``node_feat``, ``label``); ``.graphml``, ``.gml``
    and ``.json`` (node-link) of NetworkX; ``.pt`` of a PyG ``Data``, as it is or with its slices;
    ``.safetensors`` of :meth:`NodeDataset.save`; a folder or its
    zip archive, with one table of nodes and one of edges, in OGB's raw layout, or with the raw
    files of Planetoid, WebKB, Amazon, Coauthor or Twitch. Images: ``.tar.gz`` or folder of CIFAR in
    its binary or its Python version, and ``cifar10`` and ``cifar100`` by name. A file or folder of
    this name goes before a known name, with a warning.

    Args:
        name: a name of :func:`list_datasets` in any case; or a path, also with options behind it,
            such as ``club.gml?y=club&features=degree``.
        root: where the data sets lie; None takes the environment variable ``GSLT_DATA``, or else
            ``dataset`` in the working directory. The embedded graph needs none.
        split: which of several splits; the seed of a random split where a file has none, and of
            that of CIFAR's training images into 4 : 1.
        x: name of the features in a file; of several node attributes with commas between them.
        y: name of the labels in a file.
        features: made where a file has none: ``"degree"``, ``"one-hot"``, ``"constant"`` or
            ``"spectral"``.
        undirected: True adds the reverse of every edge of a file, False leaves its edges as they
            are; None does what is usual for its format.
        fractions: of training, validation and test nodes of a random split within each class; None
            takes the split of the file, or else (0.6, 0.2, 0.2) with a warning. Of CIFAR: of the
            images of the training files, twice, and of the test files; the others are left out.
        metric: what runs on a file are judged by: ``"accuracy"``, ``"roc_auc"`` or ``"micro_f1"``;
            None takes ROC AUC for ``minesweeper.npz``, ``tolokers.npz`` and ``questions.npz`` of
            the benchmark and for several labels a node, else accuracy.

    Returns:
        A :class:`NodeDataset`, or an :class:`gslt.ImageDataset` of images.

    Raises:
        ConfigError: if the name is unknown, the data set has no such split, or an option does not
            fit.
        DataError: if the data set is not on disk, is damaged, or breaks a rule of ``NodeDataset``.
        MissingPackageError: if it needs a package that is not installed.
    """
    place, options = place_and_options(name)
    said = ReadOptions(
        x=x, y=y, features=features, undirected=undirected, fractions=fractions, metric=metric
    )
    if both := sorted(set(options.given) & set(said.given)):
        raise ConfigError(f"{both[0]} is given beside {name!r}, which says it too; leave one out")
    options = replace(options, **said.given)
    if not place.strip():
        raise ConfigError("the name of a data set may not be empty; `gslt data list` shows them")
    known, path = known_name(place), _path_of(place)
    if path.is_file() or path.is_dir():
        if known is not None:
            warn(
                f"{place!r} is the {'file' if path.is_file() else 'folder'} {str(path.resolve())!r}"
                f" here, and not the data set {known}; run elsewhere to have that",
                DataWarning,
            )
        data = _read(path, split, options)
        whole = not set(options.given) - {"metric"}
        return _named(data, path, whole) if isinstance(data, NodeDataset) else data
    if known is None:
        raise ConfigError(unknown_name(place))
    images = DATASETS[known].layout == "cifar"
    if not images:
        options.refuse(known)
    found = find_dataset(known, data_root(root))
    if found is None:
        raise DataError(_absence(known, root))
    if images:
        return _load_images(found, known, split, options)
    data = _load(DATASETS[known].layout, found, known, split)
    if differs := unlike(known, data):
        raise DataError(
            f"what lies at {str(found)!r} is not {known} as it was published: it has {differs}; "
            "name its path instead to have it under a name of its own, or move it away"
        )
    return _marked(data, known) if isinstance(data, NodeDataset) else data


def _marked(data: NodeDataset, known: str) -> NodeDataset:
    """The data set of a known name, which says that it is synthetic if it is."""
    made = DATASETS[known].synthetic and not data.synthetic
    return replace(data, synthetic=True) if made else data


def _named(data: NodeDataset, path: Path, whole: bool) -> NodeDataset:
    """What was found by its path, under a name that is not that of another graph."""
    known = known_name(data.name)
    if known is None or data.synthetic:
        return data
    if differs := unlike(known, data, whole=whole):
        warn(
            f"{str(path)!r} has the name of {known}, which is another graph: this one has "
            f"{differs}; it is called {another(data.name, data)!r} here, unless you rename it",
            DataWarning,
        )
        return replace(data, name=another(data.name, data))
    return _marked(data, known)


def place_and_options(text: str | os.PathLike[str]) -> tuple[str, ReadOptions]:
    """The name or path in an address of a data set, and how it is read.

    Args:
        text: of :func:`gslt.data.options.with_options`; what is there as a whole is a path.

    Raises:
        ConfigError: if options stand behind it that there are not.
    """
    if not isinstance(text, str | os.PathLike):
        raise ConfigError(
            f"a data set is named by a text, its name or path, not by {type(text).__name__}; "
            "gslt.as_dataset takes graphs"
        )
    text = os.fspath(text)
    with contextlib.suppress(ConfigError):
        if text.strip() and _path_of(text).exists():
            return text, ReadOptions()
    return split_address(text)


def _read(path: Path, split: int, options: ReadOptions) -> Dataset:
    if cifar.is_cifar(path):
        return _load_images(path, None, split, options)
    if path.is_dir() or (path.suffix.lower() not in ENDINGS and is_part(path)):
        folder = path.resolve() if path.is_dir() or path.suffix == ".zip" else path.resolve().parent
        return read_folder(path, folder.stem, split, options)
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(
            f"{path.name!r} ends in none of {', '.join(ENDINGS)}, by which the kind of a file is "
            "known; rename or convert it"
        )
    if path.suffix == ".npz" and not options.given and is_heterophilous(path):
        data = load_heterophilous(path, path.stem, split, source=f"file {path.name}")
        edges = read_npz(path, ("edges",), "fetch it again")["edges"]
        tell_direction(Parts(y=None, edge_index=edges, edge_rows=True), data)
        return data
    return read_file(path, split, options)


def list_datasets(root: str | Path | None = None) -> list[DatasetFacts]:
    """Every data set known by name, and whether it is there.

    Args:
        root: as in :func:`load_dataset`.

    >>> next(facts.name for facts in list_datasets() if not facts.needs_download)
    'debian'
    """
    place = data_root(root)
    return [
        DatasetFacts(
            name=name,
            description=entry.description,
            source=LAYOUTS[entry.layout].source,
            needs_download=name in PUBLISHED,
            synthetic=entry.synthetic,
            present=is_present(name, place),
        )
        for name, entry in DATASETS.items()
    ]


def is_present(name: str, root: Path) -> bool:
    """Whether a data set lies below the root, with every file that it needs.

    Args:
        name: a key of :data:`DATASETS`.
        root: folder that may hold it.
    """
    path = find_dataset(name, root)
    return path is not None and is_complete(name, path)


def _load_images(path: Path, name: str | None, split: int, options: ReadOptions) -> ImageDataset:
    replace(options, fractions=None).refuse(name or path.name)
    return cifar.load_cifar(path, name, split, options.fractions)


def _load(layout: str, path: Path, name: str, split: int) -> Dataset:
    if split != 0 and not LAYOUTS[layout].several_splits:
        raise ConfigError(f"{name} has one split, so split must be 0, got {split}")
    return LAYOUTS[layout].load(path, name, split)


def _absence(name: str, root: str | Path | None) -> str:
    # It is to go where it was looked for.
    there = [] if root is None else ["--dataset_dir", root]
    how = f"fetch it with `{pasted('gslt', 'data', 'download', name, *there)}`"
    if DATASETS[name].layout == "standin":
        command = pasted("gslt", "data", "synthesize", *there)
        how = f"write this synthetic graph with `{command}`"
    elif name not in PUBLISHED:
        how = f"{by_hand(name)} there"
    places = " and ".join(DATASETS[name].places[:3])
    return (
        f"data set {name!r} is not on disk (looked for {places} below {data_root(root)}); {how}, "
        f"or set {ROOT_VARIABLE} to the folder that holds it"
    )


def by_hand(name: str) -> str:
    """What to do about a data set that is known by name and is not downloaded.

    Args:
        name: a key of :data:`DATASETS`.
    """
    file = DATASETS[name].places[0].rpartition("/")[2]
    return (
        f"it is not downloaded, since nothing is known that a file could be compared with; put "
        f"{file} of PyG's data set Twitch (graphmining.ai/datasets/ptg/twitch)"
    )
