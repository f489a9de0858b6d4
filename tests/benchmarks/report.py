"""results/bench.json -> bench.md, whose tables go into the README, and bench.png."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from backend.deploy.cost import ENDPOINT_SECONDS
from tests.benchmarks.numbers import GAPS
from tests.benchmarks.simulation import paper
from tests.benchmarks.stages import DECODE, SCALE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FLOOR, OWN = "the floor: no HTTP", "ours, no HTTP"
EMBEDDED, RELAYED, TWO = "ours, embedded", "ours, relayed by boto3", "ours, embedded, two workers"
VCPU = 0.58  # of a core: Lambda gives one for 1,769 MB
EXPERT, GRADIO, TUTORIAL = "FastAPI + LiteRT, by an expert", "Gradio, its HTTP API", "Flask + keras.predict"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1), *lines])


def ranged(values: dict[str, float], digits: int = 0) -> str:
    """The median, and the range of the rounds."""
    return f"{values['median']:.{digits}f} ({values['low']:.{digits}f}-{values['high']:.{digits}f})"


def write(results: dict[str, Any], folder: Path) -> None:
    """Both files, from the parts that there are."""
    sections = [
        section(results[part])
        for part, section in (
            ("race", _race),
            ("stages", _stages),
            ("numbers", _numbers),
            ("scale", _scale),
            ("cold", _cold),
            ("learning", _learning),
        )
        if part in results
    ]
    if "lambda" in results.get("cold", {}) and "skipped" not in results["cold"]["lambda"]:
        sections.append(_paper(results["cold"]))
    targets = table(["figure", "measured", "target", "met"], [each.row() for each in measures(results)])
    head = "Written by `make bench`. Every table was measured in one run, in turns; milliseconds unless said otherwise."
    (folder / "bench.md").write_text("\n\n".join(["# Speed", head, "## Targets", targets, *sections]) + "\n")
    if "race" in results:
        chart(results["race"], folder / "bench.png")


def _about(part: dict[str, Any]) -> str:
    machine = part["machine"]
    return (
        f"{machine['date']}, {machine['cores']} cores ({machine['cpu']}), Python {machine['python']}; "
        f"load before the run {machine['load_before']}."
    )


def _race(race: dict[str, Any]) -> str:
    floor = race["latency"][FLOOR]["p50"]
    rows = []
    for name, found in race["latency"].items():
        rates = race["throughput"].get(name, {})
        rows.append(
            [
                name,
                ranged(found["p50_of_rounds"], 2),
                found["p95"],
                found["p99"],
                f"{found['p50'] / floor:.1f}x",
                *(ranged(rates[n]["per_second"]) if rates else "" for n in ("8", "32")),
                found["cpu_ms"],
                found["megabytes"] or "",
                found["start_s"] or "",
                f"{100 * found['right']:.1f} %",
            ]
        )
    client = race["gradio_client"]
    rows.append(
        ["Gradio, its Python client", client["p50"], client["p95"], client["p99"], f"{client['p50'] / floor:.1f}x"]
        + [""] * 6
    )
    two = race["throughput"][TWO]
    rows.append([TWO, *[""] * 4, *(ranged(two[n]["per_second"]) for n in ("8", "32")), *[""] * 4])
    head = [
        "",
        "p50 (rounds)",
        "p95",
        "p99",
        "p50 / floor",
        "per second, 8 clients",
        "32 clients",
        "CPU",
        "MB",
        "start, s",
        "read rightly",
    ]
    soak = race["soak"]
    end = (
        f"8 clients for a minute: {soak['per_second']:.0f} a second, p50 {soak['p50']}, p99 {soak['p99']} "
        f"({soak['p99_over_p50']}x), {soak['errors']} errors, memory {soak['mb'][0]} -> {soak['mb'][1]} MB."
    )
    return "\n\n".join(["## 200 drawings, the same weights", _about(race), table(head, rows), end])


def _stages(stages: dict[str, Any]) -> str:
    parts = ["## Where one request's time goes", _about(stages)]
    for way in ("embedded", "relayed"):
        total = stages[way]["total_ms"]
        rows = [[row, f"{ms:.3f}", f"{100 * ms / total:.0f} %"] for row, ms in stages[way]["rows"].items()]
        parts.append(table([way, "ms", "share"], [*rows, ["**total**", f"{total:.3f}", "100 %"]]))
    return "\n\n".join(parts)


def _numbers(numbers: dict[str, Any]) -> str:
    rows = [[name, each["n"], each["median"], each["worst"]] for name, each in numbers["kinds"].items()]
    head = ["four digits, embedded, over HTTP", "n", "median, ms", "worst, ms"]
    return "\n\n".join(["## Whole numbers", _about(numbers), table(head, rows)])


def _scale(scale: dict[str, Any]) -> str:
    batches, folder, workers = scale["batches"], scale["folder"], scale["workers"]
    rows = [
        [f"{name} a request" if name != "single" else "POST /predictions", ranged(ms, 3)]
        for name, ms in batches["ms_per_image"].items()
    ]
    text = (
        f"{folder['pictures']:,} files through `python -m ui.client FOLDER`: {folder['seconds']} s, "
        f"{folder['per_second']} a "
        f"second, {folder['server_cpu_ms_each']} ms of the server's CPU each, {100 * folder['right']:.1f} % right.\n\n"
        f"8 clients: {ranged(workers['1'])} a second with one worker, {ranged(workers['2'])} with two "
        "(the clients share the cores)."
    )
    return "\n\n".join(["## Batch and scale", _about(scale), table(["pictures", "ms a picture"], rows), text])


def _cold(cold: dict[str, Any]) -> str:
    functions = cold["lambda"]
    parts = ["## Cold start", _about(cold)]
    if "skipped" not in functions:
        shown = (("cpu_s", 2), ("wall_s", 2), ("warm_cpu_ms", 1), ("megabytes", 0))
        rows = [
            [mode, *(ranged(functions[mode][figure], digits) for figure, digits in shown), functions[mode]["zip_mb"]]
            for mode in ("hello", "sagemaker", "embedded")
        ]  # fmt: skip
        head = ["function under awslambdaric", "CPU to first answer, s", "wall, s", "warm: CPU ms", "MB", "zip MB"]
        parts.append(table(head, rows))
    local = cold["local"]
    parts.append(
        f"From the command to the first answer: the API {ranged(local['api_first_answer_s'], 2)} s; "
        f"the page healthy {ranged(local['page_healthy_s'], 2)} s."
    )
    return "\n\n".join(parts)


def _learning(learning: dict[str, Any]) -> str:
    rows = [[name, ranged(learning[name])] for name in ("bare fit", "training.train", "pipeline alone")]
    return "\n\n".join(["## Training", _about(learning), table(["", "pictures a second"], rows)])


class Measure(NamedTuple):
    """A figure beside what is wanted of it: at most so much, or at `least`."""

    name: str
    value: float
    target: float
    unit: str = ""
    least: bool = False

    def row(self) -> list[str]:
        """Of the table of targets."""
        met = self.value >= self.target if self.least else self.value <= self.target
        sign = "at least" if self.least else "at most"
        measured = f"{self.value:.2f}{self.unit}"
        return [self.name, measured, f"{sign} {self.target:g}{self.unit}", "yes" if met else "**no**"]


def measures(results: dict[str, Any]) -> list[Measure]:
    """Those of the parts that there are."""
    found: list[Measure] = []
    if "race" in results:
        found += _raced(results["race"])
    if "stages" in results:
        stage = results["stages"]["embedded"]["rows"]
        found.append(Measure("decode + normalise, 280x280 RGBA PNG", stage[DECODE] + stage[SCALE], 0.8, " ms"))
    if "numbers" in results:
        kinds = results["numbers"]["kinds"]
        found += [
            Measure("a number of 4 digits apart, median", kinds["apart"]["median"], 6, " ms"),
            Measure("a number of 4 digits, the worst", max(kinds[gap]["worst"] for gap in GAPS), 25, " ms"),
            Measure("a page full of scribble, the worst", kinds["a page full of scribble"]["worst"], 300, " ms"),
        ]
    if "scale" in results:
        single = results["scale"]["batches"]["64_over_single"]
        found.append(Measure("batch of 64, a picture / a single request", single, 0.3, "x"))
    if "cold" in results and "skipped" not in results["cold"]["lambda"]:
        found += _started(results["cold"]["lambda"])
    return found


def _raced(race: dict[str, Any]) -> list[Measure]:
    p50, cpu = ({name: each[key] for name, each in race["latency"].items()} for key in ("p50", "cpu_ms"))
    rates = race["throughput"]
    one, two, expert, gradio = (rates[name]["8"]["per_second"]["median"] for name in (EMBEDDED, TWO, EXPERT, GRADIO))
    return [
        Measure("embedded over HTTP, p50 / the floor", p50[EMBEDDED] / p50[FLOOR], 0.85, "x"),
        Measure("relayed less embedded, p50", p50[RELAYED] - p50[EMBEDDED], 2, " ms"),
        Measure("CPU a request, Flask + keras.predict / ours", cpu[TUTORIAL] / cpu[EMBEDDED], 60, "x", least=True),
        Measure("throughput, 8 clients / FastAPI + LiteRT, by an expert", one / expert, 1.4, "x", least=True),
        Measure("throughput, 8 clients, two workers / Gradio's HTTP API", two / gradio, 12, "x", least=True),
        Measure("decode + normalise + infer / the floor", p50[OWN] / p50[FLOOR], 0.45, "x"),
        Measure("p99 / p50, 8 clients for a minute", race["soak"]["p99_over_p50"], 4, "x"),
    ]


def _started(functions: dict[str, Any]) -> list[Measure]:
    found = []
    for mode, cold, size in (("sagemaker", 1.35, 16), ("embedded", 1.25, 28)):
        memory = functions[mode]["megabytes"]["median"]
        found += [
            Measure(
                f"cold start, CPU, {mode} / hello-world Flask on Zappa", functions[f"{mode}_over_hello"], cold, "x"
            ),
            Measure(f"zip, {mode}", functions[mode]["zip_mb"], size, " MB"),
            Measure(f"memory of the warm function, {mode}", memory, 110, " MB"),
        ]
    return found


def _paper(cold: dict[str, Any]) -> str:
    """The deployment on paper, with the function's measured processor time and the endpoint's stated one."""
    functions = cold["lambda"]
    relay, embedded = (functions[mode]["warm_cpu_ms"]["median"] / 1000 / VCPU for mode in ("sagemaker", "embedded"))
    rows = [
        [f"{row['rate']:,}", row["way"], row["lambdas_needed"], row["endpoints_needed"] or "", row["gateways_needed"],
         ", ".join(f"{part} {100 * share:.0f} %" for part, share in row["refused_by_default"].items() if share > 0.005)
         or "none", row["usd_per_million"]]
        for row in paper(relay, embedded, ENDPOINT_SECONDS)
    ]  # fmt: skip
    head = [
        "requests/s",
        "way",
        "Lambdas at once",
        "serverless endpoints",
        "gateways",
        "refused at default quotas",
        "USD a million",
    ]
    text = (
        f"The function's own time: {1000 * relay:.1f} ms relaying, {1000 * embedded:.1f} ms with the model inside (the "
        f"CPU measured above, on the {VCPU} cores of 1,024 MB). The endpoint's: {1000 * ENDPOINT_SECONDS:.0f} ms at "
        "2 GB. Refusals simulated, 60,000 requests each."
    )
    return "\n\n".join(["## The deployment on paper", text, table(head, rows)])


def chart(race: dict[str, Any], path: Path) -> None:
    """Latency beside throughput, logarithmic: the fields are a hundredfold apart."""
    from matplotlib.figure import Figure

    names = [name for name in race["latency"] if name in race["throughput"]]
    names.sort(key=lambda name: race["latency"][name]["p50"], reverse=True)
    colours = ["#3b5bdb" if name.startswith("ours") else "#adb5bd" for name in names]
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    latency = [race["latency"][name]["p50"] for name in names]
    rate = [race["throughput"][name]["8"]["per_second"]["median"] for name in names]
    floor = race["latency"][FLOOR]["p50"]
    left.bar_label(left.barh(names, latency, color=colours), fmt="%.1f", padding=3)
    left.axvline(floor, color="#e03131", linewidth=1)
    left.annotate("no HTTP", (floor, -0.4), color="#e03131", fontsize=8, rotation=90, ha="right", va="bottom")
    left.set(title="One drawing, median (ms)", xscale="log", xlim=(0.5, max(latency) * 2.5))
    right.bar_label(right.barh(names, rate, color=colours), fmt="%.0f", padding=3)
    right.set(title="Answers a second, 8 clients", xscale="log", xlim=(1, max(rate) * 2.5))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    figure.savefig(path, dpi=100)
