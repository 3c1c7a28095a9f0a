"""Records of bench figures: one JSON object a line in bench/records.jsonl, appended to and never edited.

{"date": "2026-11-28", "cpu": processor model, "command": what was run, "ratios": {name: value}}. Only ratios are kept,
and of each the higher is the better: rates of shared machines drift, those of two engines in one sitting do together.
"""
import datetime
import json
import math
import pathlib
import sys

PATH = pathlib.Path(__file__).resolve().parent / "records.jsonl"
ALLOWED_FALL = 0.15


def cpu_name(cpuinfo="/proc/cpuinfo"):
    """The processor's model: its name alone is often no more than "Intel(R) Xeon(R) Processor"."""
    fields = {}
    for line in pathlib.Path(cpuinfo).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name", "unknown")
    return f"{name} (family {fields['cpu family']}, model {fields['model']})" if "cpu family" in fields else name


def append(command, ratios, path=PATH, cpu=None):
    """Adds a record of today. Raises ValueError for a ratio that is no positive number."""
    for name, value in ratios.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name}: {value} is not a ratio")
    record = {"date": datetime.date.today().isoformat(), "cpu": cpu or cpu_name(), "command": command,
              "ratios": {name: round(value, 4) for name, value in ratios.items()}}
    with open(path, "a", encoding="utf-8") as out:
        out.write(json.dumps(record) + "\n")


def option(parser):
    parser.add_argument("--record", action="store_true", help="adds the ratios to bench/records.jsonl")


def keep(args, ratios, *options, path=PATH):
    """Appends the ratios where --record asks for it, with the script's name and the options that they depend on."""
    if args.record:
        command = [pathlib.Path(sys.argv[0]).name, *(f"--{name} {getattr(args, name)}" for name in options)]
        append(" ".join(command), ratios, path)


def load(path=PATH):
    """All records in the order of the file. Raises ValueError with the line's number where one is broken."""
    records = []
    for number, line in enumerate(pathlib.Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            records.append({"date": str(record["date"]), "cpu": str(record["cpu"]), "command": str(record["command"]),
                            "ratios": {str(name): float(value) for name, value in record["ratios"].items()}})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}:{number}: not a record: {error}") from error
    return records


def falls(records, allowed=ALLOWED_FALL):
    """[(cpu, name, earlier record, later record)]: the last two records of a ratio on one processor model, where the
    later value lies more than `allowed` below the earlier."""
    last, before = {}, {}
    for record in records:
        for name in record["ratios"]:
            key = record["cpu"], name
            if key in last:
                before[key] = last[key]
            last[key] = record
    return [(*key, earlier, last[key]) for key, earlier in before.items()
            if last[key]["ratios"][key[1]] < (1 - allowed) * earlier["ratios"][key[1]]]
