"""What packages write for a licence, as an SPDX expression: ``Apache 2.0``, ``MIT License``,
trove classifiers, npm's ``SEE LICENSE IN``, ``MIT/Apache-2.0``.

Nothing is guessed: a name without its version (``BSD``, ``GPL``) becomes a LicenseRef of which at
least the kind is known, and what is not understood becomes "".
"""

from __future__ import annotations

import re
from functools import cache

from haechi.engines.spdx import MAX_LENGTH, parse
from haechi.errors import InputError

_SPELLINGS = {
    "MIT": "mit expat mitx11 x11mit mitexpat",
    "MIT-0": "mit0 mitnoattribution",
    "Apache-2.0": "apache20 apache2 apachev2 apachev20 apachesoftware20"
    " apachesoftwarev20 asl20 asl2 al20 al2 apachesoftwarefoundation20 apachepublic20 asf20",
    "Apache-1.1": "apache11 apachesoftware11 asl11",
    "BSD-2-Clause": "bsd2clause bsd2 2clausebsd simplifiedbsd bsdsimplified freebsd bsd2clauses",
    "BSD-3-Clause": "bsd3clause bsd3 3clausebsd newbsd modifiedbsd revisedbsd bsdnew bsd3clauses"
    " threeclausebsd neworrevisedbsd newbsd3clause bsdmodified eclipsedistribution10 edl10",
    "BSD-4-Clause": "bsd4clause originalbsd bsdoriginal",
    "0BSD": "0bsd zeroclausebsd bsd0clause freepublic100",
    "ISC": "isc iscl",
    "Zlib": "zlib zliblibpng",
    "PSF-2.0": "psf psf2 psf20 psfl pythonfoundation pythonsoftwarefoundation",
    "Python-2.0": "python2 python20",
    "Unlicense": "unlicense",
    "CC0-1.0": "cc0 cc010 cc010universal creativecommonszerov10universal cc010publicdomain",
    "WTFPL": "wtfpl dowhatthefuckyouwanttopublic",
    "MPL-1.1": "mpl11 mozillapublic11",
    "MPL-2.0": "mpl20 mpl2 mplv20 mozillapublic20 mozillapublicv20 mozilla20 mozillapublic2",
    "EPL-1.0": "epl10 eclipsepublic10 eclipsepublicv10 eclipse10",
    "EPL-2.0": "epl20 epl2 eclipsepublic20 eclipsepublicv20 eclipsepublicv2",
    "CDDL-1.0": "cddl10 commondevelopmentanddistribution10",
    "CDDL-1.1": "cddl11 commondevelopmentanddistribution11",
    "LGPL-2.0-only": "lgpl20 lgplv2 lgpl2 gnulibrarygeneralpublicv2 gnulessergeneralpublicv2",
    "LGPL-2.0-or-later": "lgpl20+ lgplv2+ lgpl2+ gnulessergeneralpublicv2orlater",
    "LGPL-2.1-only": "lgpl21 lgplv21 gnulessergeneralpublic21 gnulessergeneralpublicv21",
    "LGPL-2.1-or-later": "lgpl21+ lgplv21+ lgpl21orlater gnulessergeneralpublicv21orlater",
    "LGPL-3.0-only": "lgpl30 lgplv3 lgpl3 lgplv30 gnulgplv3 gnulessergeneralpublicv3"
    " gnulessergeneralpublic30 gnulgpl3",
    "LGPL-3.0-or-later": "lgpl30+ lgplv3+ lgpl3+ lgpl3orlater lgplv3orlater"
    " gnulessergeneralpublicv3orlater gnulgplv3+",
    "GPL-2.0-only": "gpl20 gplv2 gpl2 gplv20 gnugpl2 gnugplv2 gnugeneralpublic20 gplv2only"
    " gnugeneralpublicv2 gnugeneralpublicv20 gpl2only",
    "GPL-2.0-or-later": "gpl20+ gplv2+ gpl2+ gpl2orlater gplv2orlater gnugeneralpublicv2orlater"
    " gnugplv2+ gnugplv2orlater",
    "GPL-3.0-only": "gpl30 gplv3 gpl3 gplv30 gnugpl3 gnugplv3 gnugeneralpublic30 gplv3only"
    " gnugeneralpublicv3 gnugeneralpublicv30 gpl3only gnugeneralpublic3",
    "GPL-3.0-or-later": "gpl30+ gplv3+ gpl3+ gpl3orlater gplv3orlater gnugeneralpublicv3orlater"
    " gnugplv3+ gnugplv3orlater",
    "AGPL-3.0-only": "agpl30 agplv3 agpl3 gnuagplv3 gnuaffero30 gnuafferogeneralpublicv3 agplv30"
    " gnuafferogeneralpublic30 gnuafferogplv3",
    "AGPL-3.0-or-later": "agpl30+ agplv3+ agpl3+ agplv3orlater gnuafferogeneralpublicv3orlater",
    "Artistic-2.0": "artistic2 artistic20 artisticv2",
    "Artistic-1.0-Perl OR GPL-1.0-or-later": "perl perl5 sameasperl",
    "BSL-1.0": "boost boost10 bsl10 boostsoftware10",
    "HPND": "hpnd historicalpermissionnoticeanddisclaimer",
    "Ruby": "ruby rubys",
    "PostgreSQL": "postgresql postgres",
    "OFL-1.1": "ofl11 sil11 silopenfont11 silofl11 silopenfontv11",
    "EUPL-1.2": "eupl12 europeanunionpublic12",
    "NCSA": "ncsa universityofillinoisncsaopensource",
    "UPL-1.0": "upl upl10 universalpermissivev10 universalpermissive",
    "ZPL-2.1": "zpl21 zopepublic21",
    "BlueOak-1.0.0": "blueoak100 blueoakmodel100",
    "MS-PL": "mspl microsoftpublic",
    "GPL-2.0-only WITH Classpath-exception-2.0": "gpl2wclasspathexception gpl2ce"
    " gnugeneralpublicv20withclasspathexception gplv2ce cddlgplv2ce gpl2wcpe",
    "SSPL-1.0": "sspl sspl10 serversidepublicv1",
    "BUSL-1.1": "busl11 bsl11 businesssource11",
    "Elastic-2.0": "elastic20 elasticv2 elastic2",
    "LicenseRef-Apache": "apache apachesoftware",
    "LicenseRef-CDDL": "cddl commondevelopmentanddistribution",
    "LicenseRef-BSD": "bsd bsdlike bsdstyle berkeley",
    "LicenseRef-GPL": "gpl gnugpl gnugeneralpublic",
    "LicenseRef-LGPL": "lgpl gnulgpl gnulessergeneralpublic gnulibraryorlessergeneralpublic",
    "LicenseRef-AGPL": "agpl gnuafferogeneralpublic",
    "LicenseRef-public-domain": "publicdomain",
    "LicenseRef-UNLICENSED": "unlicensed proprietary commercial otherproprietary allrightsreserved",
}
_SEE = re.compile(r"see licen[sc]e (?:file )?in\s+(.+)", re.IGNORECASE).fullmatch
_DROPPED = re.compile(r"\b(?:the|licen[sc]ed?|version|ver)\b|[^a-z0-9+]+", re.IGNORECASE)
_VERSION = re.compile(r"v(?=[0-9])")
_BRACKETED = re.compile(r"(.+?)\s*\([^()]*\)").fullmatch
_LATER = re.compile(r"\bor (?:any )?(?:later|newer|greater)(?: versions?)?\b", re.IGNORECASE)
_PARTED = ((r"\s+or\s+|\s*/\s*|\s*\|\|?\s*", "OR"), (r"\s+and\s+|\s*[,;&]\s*", "AND"))
_MARK = "orlater"


@cache
def _names() -> dict[str, str]:
    return {_key(word): name for name, words in _SPELLINGS.items() for word in words.split()}


def _key(text: str) -> str:
    """Without what spellings differ in: blanks and signs, filling words, the v of a version."""
    return _VERSION.sub("", _DROPPED.sub("", text).lower())


def normalised(text: str) -> str:
    """The SPDX expression that a package's own words mean, "" where they are not understood."""
    bare = " ".join(text.replace("::", "\0").split()).strip("\"' ")
    if not bare or len(bare) > MAX_LENGTH:
        return ""
    bare = bare.rpartition("\0")[2].removeprefix("SPDX-License-Identifier:").strip()
    return _expression(bare) or _reference(bare) or _named(bare) or _parted(bare)


def _expression(text: str) -> str:
    try:
        return str(parse(text))
    except InputError:
        return ""


def _reference(text: str) -> str:
    """``SEE LICENSE IN LICENSE.txt``."""
    found = _SEE(text)
    if found is None:
        return ""
    file = re.sub(r"[^A-Za-z0-9.]+", "-", found[1]).strip("-.")[:60]
    return f"LicenseRef-see-{file}" if file else ""


def _named(text: str) -> str:
    bracketed = _BRACKETED(text)
    for candidate in (text, bracketed[1] if bracketed else ""):
        squeezed = _key(_LATER.sub(_MARK, candidate))
        found = _names().get(squeezed) or _names().get(squeezed.replace(_MARK, "+"))
        if found:
            return found
    return ""


def _parted(text: str) -> str:
    """Several names joined by words or signs; a comma is taken for AND, the safe reading."""
    inner = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    kept = _LATER.sub(_MARK, inner)
    for sign, operator in _PARTED:
        words = re.split(sign, kept, flags=re.IGNORECASE)
        if 1 < len(words) <= 20:
            parts = [_one(word.replace(_MARK, "or later")) for word in words]
            joined = f" {operator} ".join(f"({part})" for part in parts)
            return _expression(joined) if all(parts) else ""
    return ""


def _one(word: str) -> str:
    bare = word.strip()
    return _expression(bare) or _named(bare) or _parted_once(bare)


def _parted_once(text: str) -> str:
    sign, operator = _PARTED[1]
    parts = [_expression(word) or _named(word) for word in re.split(sign, text) if word]
    return (
        f" {operator} ".join(f"({part})" for part in parts) if len(parts) > 1 and all(parts) else ""
    )
