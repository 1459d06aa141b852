"""Builds the PTX that is checked in, with NVRTC and ptxas from NVIDIA's wheels: no GPU and no CUDA toolkit is needed.

    ptx.py build DIRECTORY        compile every kernel file for each of its tiers
    ptx.py check DIRECTORY        assemble every PTX for every architecture from its tier on; nothing may be refused

Each file gets the oldest PTX version that ptxas accepts it with, since a driver refuses PTX that is newer than itself.
"""

import ctypes
import pathlib
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

KERNELS = pathlib.Path(__file__).parent / "kernels"

# Which tiers a file is compiled for. Where nothing in it depends on the tier, the oldest serves all.
TIERS = {
    "bandwidth": [70],
    "memory": [70],
    "fp32": [70],
    "fp16": [70, 75, 80, 90],
    "bf16": [80, 90],
    "tf32": [80, 90],
    "fp8": [89, 90],
}

# Every PTX version since sm_70 came, oldest first (PTX ISA, "Release History").
VERSIONS = "6.0 6.1 6.2 6.3 6.4 6.5 7.0 7.1 7.2 7.3 7.4 7.5 7.6 7.7 7.8 8.0 8.1 8.2 8.3 8.4 8.5 8.6 8.7 8.8".split()


def wheel(package, pattern):
    import nvidia

    found = [path for top in nvidia.__path__ for path in (pathlib.Path(top) / package).glob(pattern)]
    if not found:
        sys.exit(f"no {pattern} in the wheel of {package}")
    return found[0]


class Nvrtc:
    def __init__(self):
        # It opens its builtins by name, which finds them once they are loaded.
        ctypes.CDLL(str(wheel("cuda_nvrtc", "lib/libnvrtc-builtins.so.*")), ctypes.RTLD_GLOBAL)
        self.library = ctypes.CDLL(str(wheel("cuda_nvrtc", "lib/libnvrtc.so.*")))

    def text(self, program, what):
        size = ctypes.c_size_t()
        getattr(self.library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        getattr(self.library, f"nvrtcGet{what}")(program, text)
        return text.value.decode()

    def compile(self, name, tier):
        options = [
            f"--gpu-architecture=compute_{tier}",
            f"--define-macro=TIER={tier}",
            f"--include-path={KERNELS}",
            "--std=c++17",
            "--device-as-default-execution-space",
            # What is fused is written so: else the CPU's answer would differ in its last bits.
            "--fmad=false",
        ]
        program = ctypes.c_void_p()
        source = (KERNELS / f"{name}.cu").read_bytes()
        self.library.nvrtcCreateProgram(ctypes.byref(program), source, f"{name}.cu".encode(), 0, None, None)
        arguments = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        if self.library.nvrtcCompileProgram(program, len(options), arguments) != 0:
            sys.exit(f"{name}.cu for sm_{tier}: {self.text(program, 'ProgramLog')}")
        return self.text(program, "PTX")


def architectures():
    """What this ptxas can assemble for, as numbers, without the variants that only one chip has (sm_90a, sm_100f)."""
    said = subprocess.run([PTXAS, "--help"], capture_output=True, text=True, check=True).stdout
    return sorted({int(number) for number in re.findall(r"'sm_(\d+)'", said)})


def assemble(text, architecture):
    """What ptxas has against it; empty where it accepts it."""
    with tempfile.TemporaryDirectory() as top:
        source = pathlib.Path(top) / "in.ptx"
        source.write_text(text)
        command = [PTXAS, f"--gpu-name=sm_{architecture}", "--output-file", f"{top}/out", str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def at_version(text, version):
    return re.sub(r"^\.version .*$", f".version {version}", text, count=1, flags=re.M)


def plain(text):
    """The PTX without what says which build of the compiler wrote it."""
    kept = [line for line in text.splitlines() if not line.startswith("//")]
    return "\n".join(kept).strip("\n") + "\n"


def oldest(text, tier):
    for version in VERSIONS:
        if not assemble(at_version(text, version), tier):
            return version
    sys.exit(f"no version of PTX will do: {assemble(text, tier)}")


def build(directory):
    nvrtc = Nvrtc()
    for name, tiers in TIERS.items():
        for tier in tiers:
            text = plain(nvrtc.compile(name, tier))
            version = oldest(text, tier)
            (directory / f"{name}.sm_{tier}.ptx").write_text(at_version(text, version))
            print(f"{name}.sm_{tier}: PTX {version}")


def check(directory):
    files = sorted(directory.glob("*.ptx"))
    if not files:
        sys.exit("there is no PTX to check")
    work = []
    for path in files:
        tier = int(path.stem.rsplit("_", 1)[1])
        work += [(path, architecture) for architecture in architectures() if architecture >= tier]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda item: assemble(item[0].read_text(), item[1]), work))
    refused = [f"{path.name} for sm_{number}: {answer}" for (path, number), answer in zip(work, answers) if answer]
    refused += [problem for path in files for problem in too_new(path)]
    if refused:
        sys.exit("\n".join(refused))
    known = ", ".join(f"sm_{number}" for number in architectures())
    print(f"{len(work)} assemblies accepted, of {len(files)} files; known: {known}")


def too_new(path):
    """Why an older version of PTX would have done, if one would."""
    text = path.read_text()
    version = re.search(r"^\.version (.*)$", text, flags=re.M).group(1)
    tier = int(path.stem.rsplit("_", 1)[1])
    older = VERSIONS[: VERSIONS.index(version)]
    return [f"{path.name}: PTX {old} does as well" for old in older[-1:] if not assemble(at_version(text, old), tier)]


if __name__ == "__main__":
    PTXAS = str(wheel("cuda_nvcc", "bin/ptxas"))
    {"build": build, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
