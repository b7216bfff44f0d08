"""Invented readers, papers and letters for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from digest.config import LetterConfig
from digest.letters.compose import Composer, Rendered
from digest.letters.links import Links
from digest.letters.mime import message_id
from digest.letters.subject import ENGLISH
from digest.letters.templates import Templates
from digest.letters.wording import placed
from digest.model import Interest, Letter, Link, Paper, Pick, Profile, Reason, Subscriber
from digest.tokens import Keys

SLOT = date(2026, 11, 20)
CONFIG = LetterConfig(
    name="Trending papers",
    from_address="letters@example.org",
    contact="editor@example.org",
    postal_address="The Reading Room, 12 Canal Street, 1015 Exampleville",
)
TOOLS, CONTEXT, CAUSAL = "tool use by language models", "long context", "causal inference from observational data"

ADA = Subscriber(
    handle="ada",
    address="ada@example.org",
    name="Ada",
    time_zone="Europe/Berlin",
    cadence="weekdays",
    secret="00ff00ff00ff00ff",
    id=27,
    profile=Profile(
        interests=(Interest(TOOLS), Interest(CONTEXT), Interest(CAUSAL)),
        authors=("Mirela Kovač",),
        liked=("Reading with a Pencil: Notes as Memory",),
    ),
)
NEWCOMER = Subscriber(
    handle="noor",
    address="noor@example.org",
    time_zone="America/New_York",
    cadence="weekly:mon",
    secret="0f0f0f0f0f0f0f0f",
    id=28,
)


def paper(title: str, abstract: str = "", authors: tuple[str, ...] = (), arxiv: str = "", code: str = "") -> Paper:
    links = (
        (Link("abstract", f"https://arxiv.org/abs/{arxiv}"), Link("pdf", f"https://arxiv.org/pdf/{arxiv}"))
        if arxiv
        else ()
    )
    return Paper(title, abstract, authors, links + ((Link("code", code),) if code else ()))


PICKS = (
    Pick(
        paper(
            "Knowing When to Ask: Calibrated Tool Calls in Small Language Models",
            "Small models call tools too often when the answer is easy and too seldom when it is not. We train a "
            "calibrator of 40 M parameters that reads the hidden state before the first token and decides whether "
            "a call is worth its price. On nine benchmarks it halves the number of calls at equal accuracy. "
            "Code and traces are released.",
            ("Mirela Kovač", "Tomás Arriaga", "Wen Zhao", "Ifeoma Obi", "Lars Hedlund"),
            "2611.04117",
            "https://github.com/example/know-when-to-ask",
        ),
        score=81.4,
        relevance=0.86,
        trending=0.7,
        reasons=(
            Reason("phrase", TOOLS, ("tool", "language models", "calls"), 52.0),
            Reason("trending", "", (), 17.4),
            Reason("author", "Mirela Kovač", (), 12.0),
        ),
        listed=SLOT,
        votes=134,
    ),
    Pick(
        paper(
            "A Million Tokens Later: What Long-Context Models Forget",
            "We plant 1,200 facts in documents of up to a million tokens and ask for them by paraphrase. Recall "
            "falls with the number of similar facts, not with their distance. A simple index built while reading "
            "wins back two thirds of the loss.",
            ("Priya Raman", "Jonas Weidner"),
            "2611.03820",
        ),
        score=73.0,
        relevance=0.8,
        trending=0.3,
        reasons=(Reason("phrase", CONTEXT, ("long", "context"), 60.0), Reason("trending", "", (), 3.0)),
        listed=date(2026, 11, 19),
    ),
    Pick(
        paper(
            "用于工具调用的可验证推理：一个面向中文任务的基准与分析",
            "现有的工具调用基准大多只检查最终答案。本文提出一个包含三千个任务的中文基准，逐步验证每一次调用。"
            "实验表明，模型在步骤层面的错误远多于答案层面的错误。",
            ("林若溪", "陈嘉树", "周以宁", "Daniel Hofer"),
            "2611.02951",
        ),
        score=66.6,
        relevance=0.66,
        trending=0.66,
        reasons=(Reason("phrase", TOOLS, ("language models",), 50.0), Reason("trending", "", (), 16.0)),
        listed=date(2026, 11, 19),
    ),
    Pick(
        paper(
            "Margins of Memory: Self-Written Notes Outlast the Context Window",
            "An agent that keeps a notebook of at most two pages answers questions about sessions it no longer "
            "sees. We compare eleven policies for what to write and what to strike out. Striking out matters more.",
            ("Hannelore Brandt", "Kofi Mensah", "Sana Iqbal"),
            "2611.03377",
            "https://github.com/example/margins",
        ),
        score=58.2,
        relevance=0.6,
        trending=0.4,
        reasons=(
            Reason("liked", "Reading with a Pencil: Notes as Memory", ("notes", "memory"), 36.0),
            Reason("phrase", CONTEXT, ("context window",), 18.0),
        ),
        listed=date(2026, 11, 17),
    ),
    Pick(
        paper(
            "التعلّم السببي من البيانات الرصدية: مراجعة نقدية",
            "تستعرض هذه الورقة عشر طرائق لتقدير الأثر السببي من البيانات الرصدية. نقارن بينها على بيانات طبية.",
            ("ليلى حداد", "Omar Saïd"),
        ),
        score=44.0,
        relevance=0.47,
        trending=0.1,
        reasons=(Reason("phrase", CAUSAL, ("causal", "observational data"), 44.0),),
        listed=date(2026, 11, 18),
    ),
    Pick(
        paper(
            "Weather at the Scale of a Street",
            "A diffusion model trained on rooftop stations forecasts wind between buildings two hours ahead.",
            (),
            "2611.04002",
        ),
        score=31.5,
        relevance=0.05,
        trending=0.97,
        reasons=(Reason("trending", "", (), 28.0), Reason("phrase", CAUSAL, ("forecasts",), 3.5)),
        listed=SLOT,
    ),
)


LINKS = Links("https://digest.example.org", Keys([b"k" * 32]))


def render(one: Letter, config: LetterConfig = CONFIG, templates: Templates | None = None) -> Rendered:
    return Composer(config, templates).render(one)


def letter(subscriber: Subscriber = ADA, picks: tuple[Pick, ...] = PICKS, **changes: object) -> Letter:
    """A letter as an edition writes it: its picks are in the order in which they are shown."""
    one = Letter(
        subscriber=subscriber,
        slot=SLOT,
        picks=picks,
        message_id=message_id(subscriber, SLOT, CONFIG.from_address),
        candidates=212,
        days=3,
        created_at=datetime(2026, 11, 20, 6, 0, tzinfo=UTC),
        id=4711,
    )
    one = replace(one, **changes)  # type: ignore[arg-type]
    return replace(one, picks=tuple(one.picks[place] for place in placed(one.subscriber, one.picks, ENGLISH)))


def daily() -> Letter:
    return letter()


def weekly() -> Letter:
    """By interests, with what is also trending below."""
    also = tuple(
        Pick(one, 0.0, 0.0, 0.6, (), SLOT, votes)
        for one, votes in (
            (paper("A Field Guide to Small Benchmarks", arxiv="2611.01001"), 212),
            (paper("Solar Forecasts from One Camera and No Sky", arxiv="2611.01002"), 96),
        )
    )
    return letter(replace(ADA, cadence="weekly:fri"), also=also)


def trending_only() -> Letter:
    """For a reader whose profile names no interests."""
    picks = tuple(replace(pick, reasons=(Reason("trending", "", (), pick.score),)) for pick in PICKS)
    return letter(NEWCOMER, picks)


def worst_case() -> Letter:
    """Everything that breaks a layout at once: endless words, mark-up, other scripts, no links, fifty papers."""
    nasty = Paper(
        "Antidisestablishmentarianism" * 9 + " <script>alert(1)</script> & “so on” <b>&amp;</b>",
        "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch" * 6 + ". See <a href='x'>this</a> & that.",
        ("W" * 120, "Ångström-" * 14, "Ng", "Z"),
        (
            Link("abstract", "https://example.org/" + "a-very-long-path/" * 12),
            Link("pdf", "javascript:alert(1)"),
            Link("code", "https://example.org/code?a=1&b=2"),
            Link("page", "https://example.org/page"),
        ),
    )
    reason = Reason("phrase", "x" * 200, ("y" * 80, "z" * 80), 9.0)
    pick = Pick(nasty, 99.9, 1.0, 1.0, (reason, Reason("liked", "<&>" * 40, (), 5.0), reason), SLOT)
    reader = replace(
        ADA, name="Wolfeschlegelsteinhausenbergerdorff" * 4, address="a.very.long.address." * 3 + "x@example.org"
    )
    return letter(reader, (pick, *PICKS) * 8)
