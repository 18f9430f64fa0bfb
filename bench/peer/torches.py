"""The installations of torch to compare with, and the environment in which each is fastest."""

import dataclasses
import os
import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"

# Memory that a step frees stays with the process: asking for it again costs page faults.
# Threads that wait asleep are no slower here, and do not collapse when something else wants a core.
TUNING = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 33), "OMP_WAIT_POLICY": "passive"}

DESCRIBE = """
import torch
lines = torch.__config__.show().splitlines()
blas = [line.split(" Version")[0].strip(" -") for line in lines if "Math Kernel" in line] or ["OpenBLAS"]
capability = [line.split(":")[1].strip() for line in lines if "CPU capability" in line]
print(torch.__version__, "with", blas[0] + ",", "vectors", *capability)
"""


@dataclasses.dataclass(frozen=True)
class Torch:
    """@param can_compile  torch.compile works: its fused passes are faster wherever they exist"""

    name: str
    python: str
    environment: dict
    can_compile: bool
    description: str = ""


def processor_flags():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return line.split()
    return []


def openblas_kernels():
    """OpenBLAS 0.3.21 takes its oldest kernels on a processor that is newer than itself."""
    if "OPENBLAS_CORETYPE" in os.environ or platform.machine() != "x86_64":
        return {}
    flags = processor_flags()
    known = {"avx512f": "SkylakeX", "avx2": "Haswell"}
    for flag, kernels in known.items():
        if flag in flags:
            return {"OPENBLAS_CORETYPE": kernels}
    return {}


def describe(torch):
    made = subprocess.run(
        [torch.python, "-W", "ignore", "-c", DESCRIBE], env={**os.environ, **torch.environment},
        capture_output=True, text=True, check=False)
    if made.returncode != 0:
        print(f"{torch.name}: cannot be used: {made.stderr.strip().splitlines()[-1]}")
        return None
    return dataclasses.replace(torch, description=made.stdout.strip())


def has_compiler():
    return subprocess.run(["c++", "--version"], capture_output=True, check=False).returncode == 0


def on_the_machine():
    """The torch of Debian's python3, if it is installed: enough for tests."""
    made = subprocess.run(["/usr/bin/python3", "-c", "import torch"], capture_output=True, check=False)
    return [Torch("the machine", "/usr/bin/python3", {}, False)] if made.returncode == 0 else []


def find():
    """Those that can be imported, the newest first."""
    found = []
    venv = BUILD / "peer-venv/bin/python"
    if venv.exists():
        cache = {"TORCHINDUCTOR_CACHE_DIR": str(BUILD / "peer-cache"), **TUNING}
        found.append(Torch("PyPI", str(venv), cache, has_compiler()))
    debian = BUILD / "peer-debian"
    if (debian / "library_path").exists():
        environment = {
            "LD_LIBRARY_PATH": (debian / "library_path").read_text().strip(),
            "PYTHONPATH": str(debian / "root/usr/lib/python3/dist-packages"),
            **openblas_kernels(), **TUNING,
        }
        found.append(Torch("Debian", "/usr/bin/python3", environment, False))
    return [torch for torch in map(describe, found) if torch]
