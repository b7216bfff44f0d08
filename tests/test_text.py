"""What a reader gets to see of whatever a feed sends."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digest.fingerprint import fingerprint
from digest.latex import readable
from digest.text import clean, count, sentences

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=200)
LATEXY = st.lists(
    st.sampled_from(
        ["\\", "{", "}", "$", "$$", "^", "_", "~", "--", "---", "``", "''", "`", '"', "'", "%", "&", "#", " ", "x",
         "2", "é", "∞", "\\textbf", "\\frac", "\\alpha", "\\c", "\\v", "\\\"", "\\'", "\\i", "\\(", "\\)", "\\[",
         "\\url",
         "\\href", "\\cite", "\\left", "\\unknown", "[", "]", "https://a.org/b_c", ",", "\n", "\u202e", "\ud800"]
    ),
    max_size=40,
).map("".join)  # fmt: skip
FORBIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def is_safe(text: str) -> bool:
    nonchar = any(ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF for c in text)
    return not nonchar and not FORBIDDEN_CATEGORIES & {unicodedata.category(c) for c in text}


class TestClean:
    @given(ANYTHING)
    @example("e\u200b\u0301")
    @example("\x85a\x1cb\u2028c\u2029d")
    def test_is_safe_composed_and_stable_for_any_text(self, text: str) -> None:
        cleaned = clean(text)
        assert is_safe(cleaned)
        assert cleaned == unicodedata.normalize("NFC", cleaned) == " ".join(cleaned.split())
        assert clean(cleaned) == cleaned

    def test_every_character_on_its_own_is_safe_or_gone(self) -> None:
        for code in range(0x110000):
            char = chr(code)
            if unicodedata.category(char) in FORBIDDEN_CATEGORIES or code & 0xFFFE == 0xFFFE:
                assert clean(f"a{char}b") in ("ab", "a b"), hex(code)

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("  two\twords\r\n", "two words"),
            ("line\u2028break", "line break"),
            ("\u202egnp.exe\u2066", "gnp.exe"),
            ("zero\u200bwidth\ufeff", "zerowidth"),
            ("half\ud83dpair", "halfpair"),
            ("cafe\u0301", "café"),
            ("a < b & c > d", "a < b & c > d"),
            ("\x00\x1b[31m", "[31m"),
        ],
    )
    def test_examples(self, text: str, shown: str) -> None:
        assert clean(text) == shown


class TestReadable:
    @pytest.mark.parametrize(
        ("latex", "shown"),
        [
            (r"a na\"{\i}ve r\'esum\'{e} of Erd\H{o}s", "a naïve résumé of Erdős"),
            (r"Fran\c{c}ais, Fran\c cais, ma\~nana, \v{S}koda, \"uber", "Français, Français, mañana, Škoda, über"),
            (r"S\o ren, Stra\ss e, \AA ngstr\"om, {\O}re, \aa{}s", "Søren, Straße, Ångström, Øre, ås"),
            (r"85.1\% faster \& 3\_4 \#1 \$5 \{x, y\}", "85.1% faster & 3_4 #1 $5 {x, y}"),
            ("85.1% faster, then train %question makers", "85.1% faster, then train %question makers"),
            (r"\textbf{Bold \emph{and \texttt{code}}} \textsc{Caps}", "Bold and code Caps"),
            (r"{\bf Strong} words, {quietly} said", "Strong words, quietly said"),
            ("a set {a, b} and {\"k\": [1]}", "a set {a, b} and {\"k\": [1]}"),
            ("mathcal{O}(n) in teal{Tool-use}", "O(n) in Tool-use"),
            ("``quoted'' words and ''more''", "“quoted” words and “more”"),
            ("pages 3--7 --- or -- with calling--critical parts", "pages 3–7 — or – with calling–critical parts"),
            ("pass --flag to `--other` at https://x.org/a--b", "pass --flag to `--other` at https://x.org/a--b"),
            ("Fig.~3 and~Table~4 (~4M, ~33.5%) in ~/data", "Fig. 3 and Table 4 (~4M, ~33.5%) in ~/data"),
            (r"$\alpha$-stable, $x^2$, $10^{-3}$, $H_2$, CO$_2$", "α-stable, x², 10⁻³, H₂, CO₂"),
            (r"$x^{n+1}$ and $x_{max}$ and $x_{\text{train}}$", "x^(n+1) and x_max and x_train"),
            (r"\(a \leq b\), $A\rightarrow B$, $3\times$, $\pm 2$", "a ≤ b, A → B, 3×, ±2"),
            (r"$\frac{a+1}{b}$ $\sqrt{n}$ $\mathbb{R}^d$ $O(n \log n)$", "(a+1)/b √n ℝᵈ O(n log n)"),
            (r"x^\text{max}: $y^\mathrm{out}$", "x^max: y^out"),
            ("costs $5 and $10, or US$3 to A$4", "costs $5 and $10, or US$3 to A$4"),
            (r"\url{https://x.org/a\_b~c} and \href{https://x.org}{our page}", "https://x.org/a_b~c and our page"),
            (r"as shown~\cite{a,b}.", "as shown."),
            (r"so it is\footnote{Mostly.} true", "so it is (Mostly.) true"),
            (r"\OneBillion rows with \method{fast}{mode}", "OneBillion rows with method fast mode"),
            ("a < b & c > d", "a < b & c > d"),
            ("lone { and $ and \\", "lone { and $ and"),
            ("lone } and {", "lone } and {"),
        ],
    )  # fmt: skip
    def test_examples(self, latex: str, shown: str) -> None:
        assert readable(latex) == shown

    @given(st.one_of(ANYTHING, LATEXY))
    def test_never_raises_and_is_safe(self, text: str) -> None:
        shown = readable(text)
        assert is_safe(shown)
        assert clean(shown) == shown

    @given(
        st.lists(
            st.sampled_from(["plain", "words", r"$\alpha$", r"\'e", "3--4", "5\\%", "``x''", r"$x^2$"]), min_size=1
        )
    )
    def test_reading_twice_changes_nothing(self, parts: list[str]) -> None:
        shown = readable(" ".join(parts))
        assert readable(shown) == shown

    @pytest.mark.parametrize(
        "unit",
        ["$", "{", "}", "\\", "$a", "{a,", "\\(", "\\'", "\\frac", "$x_{", "\\textbf{", "\\x{", "^", "$^", "~", "-",
         "https://", "[\\cite[", "\\c ", "`", "a"],
    )  # fmt: skip
    def test_a_quarter_of_a_megabyte_of_anything_ends(self, unit: str) -> None:
        hostile = unit * (250_000 // len(unit))
        assert is_safe(readable(hostile))
        fingerprint(hostile)
        assert len(sentences(hostile, 300)) <= 301


class TestFingerprint:
    @pytest.mark.parametrize(
        "spellings",
        [
            [
                "Grow-infty: Wide Nets",
                r"Grow-$\infty$: Wide Nets",
                "Grow-∞: wide nets",
                r"\textbf{Grow}-\infty Wide Nets",
            ],
            ["α", r"$\alpha$", r"\alpha", "alpha", "Α"],
            [r"na\"{\i}ve", "naïve", "naive", "NAÏVE", "nai\u0308ve"],
            [r"5\% more", "5% more", "5 more"],
            [r"S\o ren", "Søren", "Soren"],
            ["A-B, c!", "ab C"],
            ["H₂O", "H$_2$O", "H2O"],
            [r"$\mathcal{O}(n)$", "mathcal{O}(n)", "O(n)"],
        ],
    )
    def test_spellings_of_one_title_agree(self, spellings: list[str]) -> None:
        assert len({fingerprint(title) for title in spellings}) == 1

    def test_versions_and_languages_stay_apart(self) -> None:
        titles = ["GPT-3", "GPT-4", "C", "C++", "C#", "大模型", "大型", "Модель", "نموذج", "मॉडल"]
        folded = {fingerprint(title) for title in titles}
        assert len(folded) == len(titles)
        assert "" not in folded

    def test_is_empty_only_if_nothing_is_left(self) -> None:
        assert fingerprint("") == fingerprint("?! --- …") == ""
        assert fingerprint("∞") == "infty"

    @given(st.one_of(ANYTHING, LATEXY))
    def test_is_letters_and_digits_and_stable(self, text: str) -> None:
        folded = fingerprint(text)
        assert not any(c.isspace() for c in folded)
        assert is_safe(folded)
        assert fingerprint(folded) == folded


class TestSentences:
    TEXT = "We grow e.g. trees, cf. Fig. 2 by J. Doe et al. on land. It is 85.1% taller vs. Oak. Is it good? Yes!"

    @pytest.mark.parametrize(
        ("limit", "shown"),
        [
            (200, TEXT),
            (95, "We grow e.g. trees, cf. Fig. 2 by J. Doe et al. on land. It is 85.1% taller vs. Oak."),
            (70, "We grow e.g. trees, cf. Fig. 2 by J. Doe et al. on land."),
            (57, "We grow e.g. trees, cf. Fig. 2 by J. Doe et al. on land."),
            (30, "We grow e.g. trees, cf. Fig. 2…"),
            (10, "We grow…"),
        ],
    )
    def test_ends_with_a_sentence_or_dots(self, limit: int, shown: str) -> None:
        assert sentences(self.TEXT, limit) == shown

    def test_needs_no_spaces_to_see_a_full_stop(self) -> None:
        assert sentences("这是第一句。这是第二句，比较长。", 8) == "这是第一句。"

    @given(ANYTHING, st.integers(0, 80))
    def test_is_never_longer_than_promised(self, text: str, limit: int) -> None:
        assert len(sentences(text, limit)) <= limit + 1


def test_things_are_counted_as_one_says_it() -> None:
    assert [count(number, "letter") for number in (0, 1, 2)] == ["0 letters", "1 letter", "2 letters"]
