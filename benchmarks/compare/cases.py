"""What is measured: networks, pictures and numbers of clients."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.bench.networks_measured import COSTLESS, RESNET50
from benchmarks.bench.part import CASTLE, castle_of
from inference.hardware import processor_capabilities
from inference.precision import Precision, openvino_precision

CASTLE_NAME, PHOTOGRAPH_NAME = "castle", "9 megapixels"
# A phone's photograph: the castle, enlarged.
PHOTOGRAPH_SIZE = (3840, 2400)


@dataclass(frozen=True)
class Case:
    """One network in one precision, with all that is sent to it while it runs.

    Attributes:
        network: the name of what `measured_network` returns.
        precision: "default", each service's own choice, or "float32".
        loads: pictures' names and numbers of clients.
    """

    network: str
    precision: str
    loads: Sequence[tuple[str, int]]


def cases(clients: Sequence[int], has_bfloat16: bool) -> list[Case]:
    """Return all cases: each precision that differs on this machine, then the network that costs nothing."""
    loads = [(picture, number) for picture in (CASTLE_NAME, PHOTOGRAPH_NAME) for number in clients]
    precisions = ["default", "float32"] if has_bfloat16 else ["float32"]
    return [
        *(Case(RESNET50, precision, loads) for precision in precisions),
        Case(COSTLESS, "float32", [(CASTLE_NAME, max(clients))]),
    ]


def computes_bfloat16() -> bool:
    """Tell whether the precision that everybody takes by default here is another than float32."""
    return openvino_precision("auto", processor_capabilities()) != Precision.FLOAT32


def pictures() -> dict[str, bytes]:
    """Return the files that are sent, by name."""
    return {CASTLE_NAME: CASTLE.read_bytes(), PHOTOGRAPH_NAME: castle_of(PHOTOGRAPH_SIZE)}
