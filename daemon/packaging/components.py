#!/usr/bin/env python3
"""What is linked into the programs: an SBOM (CycloneDX 1.6) and the notices that the licences want to go along.

components.py VERSION SBOM NOTICES CRATE...

Which crates: `cargo tree` of the shipped programs, without what only builds or tests. libbpf-sys carries C libraries' sources, which are
linked in too; their versions are read there. All of it offline, from what cargo has fetched.
"""

import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

TARGET = "x86_64-unknown-linux-gnu"
NOTICE = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE)", re.IGNORECASE)


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments, "--locked", "--offline"], check=True, capture_output=True, text=True).stdout


def linked(crates):
    """(name, version) of every crate that is linked in, ours too."""
    packages = [word for crate in crates for word in ("-p", crate)]
    edges = ["-e", "normal,no-proc-macro", "--target", TARGET, "--prefix", "none", "-f", "{p}"]
    rows = (line.split() for line in cargo("tree", *packages, *edges).splitlines() if line)
    return {(row[0], row[1].removeprefix("v")) for row in rows}


def checksums():
    lock = tomllib.loads(pathlib.Path("Cargo.lock").read_text())
    return {(row["name"], row["version"]): row.get("checksum") for row in lock["package"]}


def found(pattern, path):
    match = re.search(pattern, path.read_text(encoding="utf-8", errors="replace"))
    if not match:
        sys.exit(f"no version in {path}")
    return match.group(1)


def vendored(root):
    """The C libraries inside of libbpf-sys: name, version, licence, home, and the files that say so."""
    return [
        ("libbpf", re.search(r"\+v(.*)$", root.name).group(1), "LGPL-2.1-only OR BSD-2-Clause", "https://github.com/libbpf/libbpf",
         [root / "libbpf/LICENSE", root / "libbpf/LICENSE.BSD-2-Clause"]),
        ("libelf", found(r"AC_INIT\(\[elfutils\],\[([^\]]+)\]", root / "elfutils/configure.ac"), "LGPL-3.0-or-later OR GPL-2.0-or-later",
         "https://sourceware.org/elfutils/", [root / "elfutils/COPYING-LGPLV3", root / "elfutils/COPYING-GPLV2"]),
        ("zlib", found(r'ZLIB_VERSION "([^"]+)"', root / "zlib/zlib.h"), "Zlib", "https://zlib.net/", [root / "zlib/LICENSE"]),
    ]


def crate_component(package, checksum):
    name, version = package["name"], package["version"]
    component = {"type": "library", "name": name, "version": version, "bom-ref": f"pkg:cargo/{name}@{version}",
                 "purl": f"pkg:cargo/{name}@{version}"}
    if package["license"]:
        # The older way to write OR.
        component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum:
        component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        component["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return component


def c_component(name, version, licence, home, _):
    return {"type": "library", "name": name, "version": version, "bom-ref": f"pkg:generic/{name}@{version}",
            "purl": f"pkg:generic/{name}@{version}", "licenses": [{"expression": licence}],
            "externalReferences": [{"type": "website", "url": home}]}


def rust_component():
    told = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    version = re.search(r"^release: (.*)$", told, re.MULTILINE).group(1)
    return {"type": "library", "name": "rust-std", "version": version, "bom-ref": f"pkg:generic/rust-std@{version}",
            "purl": f"pkg:generic/rust-std@{version}", "licenses": [{"expression": "MIT OR Apache-2.0"}],
            "externalReferences": [{"type": "website", "url": "https://www.rust-lang.org/"}]}


def sbom(version, components):
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    time = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
                "metadata": {"timestamp": time, "component": {"type": "application", "name": "aa-sensord", "version": version,
                             "bom-ref": "aa-sensord", "licenses": [{"expression": "Apache-2.0"}]}},
                "components": components,
                "dependencies": [{"ref": "aa-sensord", "dependsOn": [one["bom-ref"] for one in components]}]}
    # Of the contents, so that the same sources have the same.
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}"
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def texts_of(package, root):
    """The licence texts a crate carries; where it carries none, what it says of itself."""
    own = sorted(path for path in root.iterdir() if path.is_file() and NOTICE.match(path.name))
    if own:
        return [path.read_text(encoding="utf-8", errors="replace") for path in own]
    return [f"{package['license']}. Copyright: {', '.join(package['authors']) or package['repository']}.\n"
            "Its package holds no text of the licence; that stands above and below, of others."]


def notices(notes):
    """Each text once, below all that come with it. `notes`: (who, text)."""
    texts = {}
    for who, text in notes:
        texts.setdefault(text.strip(), set()).add(who)
    rule = "=" * 79
    parts = [f"{rule}\n{', '.join(sorted(whose))}\n{rule}\n\n{text}\n" for text, whose in texts.items()]
    return "What is linked into the programs of aa-sensord, and its licences. Each text once.\n\n" + "\n".join(sorted(parts))


def main():
    version, sbom_path, notices_path, *crates = sys.argv[1:]
    packages = {(row["name"], row["version"]): row for row in json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", TARGET))["packages"]}
    known, components, notes = checksums(), [], []
    for key in sorted(linked(crates)):
        package = packages[key]
        if package["source"] is None:
            continue
        components.append(crate_component(package, known[key]))
        root = pathlib.Path(package["manifest_path"]).parent
        notes += [(f"{key[0]} {key[1]}", text) for text in texts_of(package, root)]
        if key[0] == "libbpf-sys":
            for library in vendored(root):
                components.append(c_component(*library))
                notes += [(f"{library[0]} {library[1]}", path.read_text()) for path in library[4]]
    components.append(rust_component())
    pathlib.Path(sbom_path).write_text(sbom(version, components))
    pathlib.Path(notices_path).write_text(notices(notes))


main()
