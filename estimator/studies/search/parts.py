"""Storage of a running sweep: parts on disk, each complete or absent, joined at the end.

An interrupted sweep resumes from its parts, stored next to the output with their space and
settings.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from estimator.system.whole_files import write_whole

MANIFEST = "sweep.json"
FORMATS = (".parquet", ".csv")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Parts of one sweep.

    Parameters
    ----------
    out : Path
        Output file of the sweep, `.parquet` or `.csv`.
    belongs : mapping
        Inputs that the parts were made from; other parts are refused.
    """

    out: Path
    belongs: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Folder of the parts."""
        return self.out.with_name(f"{self.out.name}.parts")

    def open(self) -> None:
        """Create the folder, or resume from an existing one.

        Raises
        ------
        ValueError
            If the file has another ending, or the parts there are of another sweep.
        OSError
            If the folder cannot be made.
        """
        if self.out.suffix not in FORMATS:
            raise ValueError(f"{self.out} must end in .parquet or .csv")
        manifest = self.folder / MANIFEST
        if manifest.exists():
            if json.loads(manifest.read_text(encoding="utf-8")) != dict(self.belongs):
                raise ValueError(
                    f"{self.folder} contains parts of another sweep: delete it, or choose another "
                    "output"
                )
            return
        self.folder.mkdir(exist_ok=True)
        write_whole(manifest, json.dumps(dict(self.belongs)).encode())

    def done(self) -> set[int]:
        """Return the numbers of existing parts."""
        return {int(path.stem.rpartition("-")[2]) for path in self.folder.glob("part-*.arrow")}

    def write(self, number: int, table: pa.Table) -> None:
        """Write one part atomically."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        write_whole(self.folder / f"part-{number}.arrow", sink.getvalue().to_pybytes())

    def tables(self) -> Iterator[pa.Table]:
        """Yield every part in numerical order."""
        for number in sorted(self.done()):
            with pa.memory_map(str(self.folder / f"part-{number}.arrow")) as source:
                yield pa.ipc.open_file(source).read_all()

    def join(self, tables: Iterator[pa.Table]) -> int:
        """Write the tables to one file, and delete the parts.

        Returns
        -------
        int
            Rows written.
        """
        unfinished = self.out.with_name(f".{self.out.name}.unfinished")
        rows, writer = 0, None
        try:
            for table in tables:
                writer = writer or _writer(self.out.suffix, unfinished, table.schema)
                writer.write_table(table)
                rows += table.num_rows
        finally:
            if writer is not None:
                writer.close()
        os.replace(unfinished, self.out)
        shutil.rmtree(self.folder)
        return rows


def _writer(suffix: str, path: Path, schema: pa.Schema) -> Any:
    """Return a writer of tables to one file."""
    if suffix == ".parquet":
        return pyarrow.parquet.ParquetWriter(path, schema)
    return pyarrow.csv.CSVWriter(path, schema)
