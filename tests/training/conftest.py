import pytest

from streamfer.training.faces.landmarks import LandmarkCache, picture_key
from streamfer.training.vgg.classifier_run import TrainingFiles
from tests.support.labelled_faces import drawn_set, write_parquet


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TrainingFiles:
    """Two Parquet files and a cache that knows their pictures, so that no detector runs."""
    root = tmp_path_factory.mktemp("fer")
    sets = {"train-0": drawn_set(70), "public_test": drawn_set(21, seed=500)}
    for name, faces in sets.items():
        write_parquet(root / f"{name}.parquet", faces)
    cache = LandmarkCache({picture_key(p): None for s in sets.values() for p in s.pictures})
    cache.save(root / "landmarks.npz")
    return TrainingFiles(data=root, out=root / "run", landmarks=root / "landmarks.npz")
