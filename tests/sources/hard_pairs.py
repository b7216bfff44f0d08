"""Pairs of records that are hard to tell one or two papers from. All of it is invented."""
# ruff: noqa: E501 — letters that look like others are the point; a pair is easiest read on one line

from __future__ import annotations

from dataclasses import dataclass

from digest.model import Record


@dataclass(frozen=True)
class Pair:
    name: str
    first: Record
    second: Record


KITES = (
    "Weather kites carry sensors to where balloons are too dear and towers too short, yet nobody has asked how well"
    " a learned controller keeps them aloft. We train one in a simulator of gusty wind, and fly it on forty afternoons"
    " over a salt marsh. It holds its height within two metres for 91.5\\% of the time, against 60.2\\% for a tuned"
    " proportional rule, and lands by itself when the line goes slack. We release the flight logs, the simulator and"
    " the drawings of the winch."
)
KITES_POLISHED = (
    "Weather kites carry sensors to where balloons are too dear and towers too short, but nobody has asked how well"
    " a learned controller keeps them aloft. We train one in a simulator of gusty winds, and fly it on forty afternoons"
    " over a salt marsh. It holds its height within two metres for 92.1\\% of the time, against 60.2\\% for a carefully"
    " tuned proportional rule, and lands on its own when the line goes slack. We release the flight logs, the simulator"
    " and the drawings of the winch."
)
KITES_READ = KITES.replace("\\%", "%")
BREAD = (
    "Bakers judge a sourdough by its smell, which no sheet of figures has replaced. We record the air above nine"
    " hundred doughs with a cheap electronic nose, and ask a small network to say when each is ready for the oven. It"
    " agrees with three bakers as often as they agree with each other, it learns a new flour from five loaves, and it"
    " explains itself by the two gases that it listens to. The recordings and the circuit are free for all."
)
LOCKS = (
    "Canal locks waste water each time that a single boat goes through. We treat the order of boats as a game between"
    " skippers who would rather not wait, prove that a fair order exists for every chain of locks, and find it in time"
    " that grows with the square of the number of boats. On the timetables of three old canals our order saves a third"
    " of the water, and no skipper waits longer than before by more than nine minutes."
)
# Two papers of one workshop by one group: the first half is the same.
SHARED_HALF = (
    "Beehives hum, and the hum changes before a swarm leaves. We hung microphones into two hundred hives of eleven"
    " keepers in four valleys, and listened for three summers without opening a lid. The recordings amount to six"
    " years of sound, of which every minute is labelled with weather, season and what the keeper found."
)
HALF_ONE = (
    " In this paper we ask whether a swarm can be foretold. A recurrent model names the day of the departure in seven"
    " of ten cases, two days ahead, and tells apart queens that pipe from queens that are silent. Keepers who were"
    " warned lost a fifth of the colonies that others lost."
)
HALF_TWO = (
    " Here we turn to disease. Mites dampen the upper tones of wings, which a filter bank of eight channels suffices to"
    " show. A threshold on that ratio finds infested colonies with few false alarms, survives a change of microphone,"
    " and runs on a battery of the size of a coin through an entire winter."
)
CHALLENGE = (
    "This report describes the results of the {year} challenge on counting birds in the night sky from radar alone."
    " Organisers gave out a training set of echoes with counts by eye, and {teams} teams handed in programs, which were"
    " run on hidden nights of the autumn of {year}. We describe the task, the measure, the best five entries and what"
    " they have in common, and discuss which nights remained hard for all. The data stay open for later work."
)
MODEL = (
    "We present Lantern {version}, an open family of language models for small machines. Lantern {version} is trained"
    " on text that was collected with the consent of its authors, in four sizes, and each can be run without a graphics"
    " card. On the usual twelve tests the largest does as well as models of thrice its size, and the smallest fits"
    " into a telephone. Weights, data and the code of the training are released under a free licence."
)
PARTS = (
    "We study the motion of a chain of masses on springs whose stiffness is drawn at random. The equations have no"
    " solution in closed form, so that we look for bounds. In {what} of this work we treat the {case} of long waves,"
    " for which the disorder averages out and an effective medium can be written down, and give error terms that are"
    " sharp up to a constant. Numerical experiments on chains of a million masses confirm the rates."
)
PROCEEDINGS = (
    "This volume contains the proceedings of the workshop on {about}, which was held in {place} as a satellite of a"
    " larger meeting. The workshop brings together researchers from theory and practice. All submissions were reviewed"
    " by three members of the programme committee, and the authors of those accepted were invited to present their"
    " work. We thank the authors, the committee and all who helped for making the workshop a success."
)
LONG_WITHDRAWAL = (
    "This paper has been withdrawn by the authors due to a crucial error in the proof of the main theorem, which was"
    " pointed out to us by several readers. The authors apologise for any inconvenience and thank these readers. A"
    " corrected version will be submitted as a new paper once the gap has been closed."
)
EDITORIAL = (
    "In this issue we present five articles that were chosen by the editors from many good submissions. They cover"
    " methods, data and practice, and we hope that readers will enjoy them as much as we did. We thank all reviewers"
    " for their time, {who} for help with the production, and look forward to your letters on {what}."
)
CHINESE = (
    "风筝可以把传感器带到气球太贵而铁塔太矮的地方。我们在模拟的阵风中训练了一个控制器，并在盐沼上空飞行了四十个下午。"
    "它在百分之九十一的时间里把高度保持在两米以内，当绳子松弛时会自己降落。我们公开飞行记录、模拟器和绞车的图纸，供所有人使用。"
)
CHINESE_BREAD = (
    "面包师凭气味判断酸面团，至今没有任何表格能够代替。我们用廉价的电子鼻记录了九百个面团上方的空气，让一个小型网络判断何时可以进炉。"
    "它与三位面包师的一致程度和他们彼此之间一样高，并且只需五个面包就能学会一种新面粉。所有录音和电路都免费提供。"
)
ARABIC = (
    "تحمل الطائرات الورقية أجهزة القياس إلى حيث تكون المناطيد غالية والأبراج قصيرة. دربنا متحكما في محاكاة للرياح العاصفة"
    " وأطلقناه في أربعين عصرا فوق مستنقع ملحي، فحافظ على ارتفاعه في حدود مترين معظم الوقت، وهبط وحده حين ارتخى الحبل."
)
ARABIC_BREAD = (
    "يحكم الخبازون على العجين المخمر برائحته، ولم يحل محلها أي جدول من الأرقام. سجلنا الهواء فوق تسعمئة عجينة بأنف إلكتروني"
    " رخيص، وطلبنا من شبكة صغيرة أن تقول متى يكون كل منها جاهزا للفرن، فاتفقت مع ثلاثة خبازين كما يتفقون فيما بينهم."
)
GERMAN = (
    "Wetterdrachen tragen Messgeräte dorthin, wo Ballone zu teuer und Masten zu kurz sind. Wir haben einen gelernten"
    " Regler in böigem Wind simuliert und an vierzig Nachmittagen über einer Salzwiese geflogen. Er hält seine Höhe in"
    " neun von zehn Fällen auf zwei Meter genau und landet von selbst, wenn die Leine durchhängt."
)
FULL = ("Ada Lind", "Bo Carl Quist", "Chiara D'Amico", "Li Wei")
INITIALS = ("A. Lind", "B. C. Quist", "C. D'Amico", "L. Wei")
REORDERED = ("Wei, Li", "Lind, Ada", "D’Amico, Chiara", "Quist, Bo C.")
OTHERS = ("Dora Ebers", "Émile Fabre")
ID, OTHER_ID = "arxiv:2603.00001", "arxiv:2603.00002"
DOI, OTHER_DOI = "doi:10.1000/kites.5", "doi:10.1000/kites.6"
T = "Learning to Keep Weather Kites Aloft"
CHANGED = "Kite Control from Simulated Gusts: A Field Study"


def rec(title: str = T, abstract: str = "", *keys: str, by: tuple[str, ...] = (), html: bool = False) -> Record:
    return Record(title, abstract, by, keys, html=html)


def spelled(name: str, first: str, second: str, abstract: str = KITES) -> Pair:
    """One paper, whose title two sources spell in two ways."""
    return Pair(f"title: {name}", rec(first, abstract), rec(second, abstract))


ONE = [
    Pair("two titles of one id", rec(T, KITES, ID), rec(CHANGED, BREAD, ID)),
    Pair("an id and a page", rec(T, KITES, ID, by=FULL), rec(T, KITES)),
    Pair("an id of the old kind", rec(T, KITES, "arxiv:math/0309136"), rec(CHANGED, "", "arxiv:math/0309136")),
    Pair("a DOI under two titles", rec(T, KITES, DOI), rec("Keeping kites in the air", "", DOI)),
    Pair("a DOI beside an id", rec(T, KITES, ID, DOI), rec("Kites (extended)", BREAD, DOI)),
    Pair("an id here, a DOI there", rec(T, KITES, ID), rec(T, KITES_POLISHED, DOI)),
    Pair("a DOI of a preprint, another of the journal", rec(T, KITES, DOI, by=FULL), rec(T, KITES, OTHER_DOI, by=FULL)),
    spelled("LaTeX and Unicode", r"Kites in $\mathbb{R}^3$: an $O(n^2)$ Rule", "Kites in ℝ³: an O(n²) rule"),
    spelled("a Greek letter by its name", r"$\beta$-Kites Fly", "Beta-kites fly"),
    spelled("an infinity by its name", r"Kite-$\infty$: Wind", "Kite-infty: wind"),
    spelled("commands whose backslash was lost", r"Kites \textbf{Aloft}", "Kites textbf{Aloft}"),
    spelled("capitals and hyphens", "Self-Supervised Kite-Flying", "SELF SUPERVISED KITE FLYING"),
    spelled("ligatures", "Eﬃcient Kites in Diﬀuse Flow", "Efficient Kites in Diffuse Flow"),
    spelled("accents", "Schrödinger’s Kite and the Café", "Schrodinger's kite and the cafe"),
    spelled("accents in LaTeX", r'Schr\"odinger Kites, by Erd\H{o}s', "Schrödinger Kites, by Erdős"),
    spelled("dashes and quotation marks", "“Kites” – 2020—2024", '"Kites" - 2020-2024'),
    spelled("full stop", "Do kites dream?", "Do Kites Dream."),
    spelled("colon and dash before a subtitle", "Kites: A Field Study", "Kites - A Field Study"),
    spelled("line breaks and spaces", "Learning to\n  Keep Kites", "Learning to Keep  Kites"),
    spelled("entities", "Kites &amp; Gusts: &quot;a study&quot;", 'Kites & Gusts: "A Study"'),
    spelled("full-width letters", "Ｋｉｔｅｓ：Ａ Study", "Kites: A Study"),
    Pair("HTML and plain text", rec("Kites <i>in vivo</i> &amp; H<sub>2</sub>O", f"<p>{KITES}</p>", html=True),
         rec("Kites in vivo & H2O", KITES)),
    Pair("new title and polished abstract, id on one side", rec(T, KITES, ID), rec(CHANGED, KITES_POLISHED)),
    Pair("new title and polished abstract, no ids, authors agree",
         rec(T, KITES, by=FULL), rec(CHANGED, KITES_POLISHED, by=FULL)),
    Pair("new title, initials", rec(T, KITES, by=FULL), rec(CHANGED, KITES_POLISHED, by=INITIALS)),
    Pair("new title, authors in another order, family names first",
         rec(T, KITES, by=FULL), rec(CHANGED, KITES_POLISHED, by=REORDERED)),
    Pair("new title, an author more", rec(T, KITES, by=FULL), rec(CHANGED, KITES_POLISHED, by=(*FULL, *OTHERS))),
    Pair("new title, first author et al.", rec(T, KITES, by=FULL),
         rec(CHANGED, KITES_POLISHED, by=("Lind, A.", "et al."))),
    Pair("new title, a collaboration for its members", rec(T, KITES, by=FULL),
         rec(CHANGED, KITES_POLISHED, by=("The Kite Collaboration",))),
    Pair("a few words of the title changed, nothing else known",
         rec(T, KITES), rec("Learning How to Keep Weather Kites Up", KITES_POLISHED)),
    Pair("a number spelled out in the title", rec("Two Lines Hold a Kite", KITES), rec("2 Lines Hold Any Kite", KITES)),
    Pair("an abstract cut off", rec(T, KITES), rec(T, KITES[:200] + "…")),
    Pair("an abstract cut off, new title", rec(T, KITES, by=FULL), rec(CHANGED, KITES[:330] + " ...", by=INITIALS)),
    Pair("no abstract on one side", rec(T, KITES), rec(T)),
    Pair("no abstract, same authors", rec(T, KITES, by=FULL), rec(T, by=REORDERED)),
    Pair("no abstract, and the group's name for its members", rec(T, KITES, by=FULL), rec(T, by=("Kite Team",))),
    Pair("a teaser for an abstract", rec(T, KITES), rec(T, "Kites, learned.")),
    Pair("a notice that there is no abstract", rec(T, KITES), rec(T, "No abstract available for this article. " * 4)),
    Pair("a notice of withdrawal", rec(T, KITES), rec(T, LONG_WITHDRAWAL)),
    Pair("an abstract in LaTeX", rec(T, KITES), rec(CHANGED, KITES_READ)),
    Pair("British and American spelling", rec("Modelling the Behaviour of Kites", KITES),
         rec("Modeling the Behavior of Kites", KITES.replace("metres", "meters").replace("dear", "costly"))),
    Pair("code at the end of the abstract", rec(T, KITES),
         rec("Weather Kites, Learned", KITES + " Code at https://example.org/kites.")),
    Pair("spaces and line breaks in the abstract", rec(T, KITES, ID), rec(CHANGED, KITES.replace(" ", "\n   "))),
    Pair("Chinese, new title", rec("学习让风筝保持在空中", CHINESE), rec("阵风中的风筝控制", CHINESE.replace("公开", "发布"))),
    Pair("Arabic with and without points", rec("تعلم إبقاء الطائرات الورقية", ARABIC),
         rec("تعلّم إبقاء الطائرات الورقيّة", ARABIC)),
]  # fmt: skip


def parts(what: str, case: str) -> str:
    return PARTS.format(what=what, case=case)


def quoting(of: str) -> str:
    return f"In the third figure an axis was mislabelled. {of}"


TWO = [
    Pair("“Reply to Comments”", rec("Reply to Comments", KITES), rec("Reply to comments", LOCKS)),
    Pair("“Introduction”", rec("Introduction", BREAD, by=FULL), rec("Introduction", LOCKS, by=FULL)),
    Pair("“Introduction” by others, without an abstract", rec("Introduction", BREAD, by=FULL),
         rec("Introduction", by=OTHERS)),
    Pair("“Editorial”, hardly different", rec("Editorial", EDITORIAL.format(who="Ann", what="2024"), by=FULL),
         rec("Editorial", EDITORIAL.format(who="our printers", what="2025"), by=FULL)),
    Pair("“Editorial” by others, hardly different", rec("Editorial", EDITORIAL.format(who="Ann Marsh", what="bees")[80:],
         by=FULL), rec("Editorial", EDITORIAL.format(who="our printers in Porto", what="new kinds of rope"), by=OTHERS)),
    Pair("“Editorial” without abstracts, two DOIs", rec("Editorial", "", DOI), rec("Editorial", "", OTHER_DOI)),
    Pair("“Editorial” of one editor, without abstracts, two DOIs", rec("Editorial", "", DOI, by=FULL),
         rec("Editorial", "", OTHER_DOI, by=FULL)),
    Pair("“Response to Referees”", rec("Response to Referees", KITES), rec("Response to Referees", BREAD)),
    Pair("“A Survey”", rec("A Survey", KITES, ID), rec("A Survey", BREAD)),
    Pair("a title of one word", rec("Attention", KITES), rec("Attention", LOCKS)),
    Pair("lecture notes of one author", rec("Lecture Notes", KITES, by=FULL), rec("Lecture notes", BREAD, by=FULL)),
    Pair("part I and part II", rec("Random Chains, Part I", parts("the first part", "case"), by=FULL),
         rec("Random Chains, Part II", parts("the second part", "limit"), by=FULL)),
    Pair("a second part that says so alone", rec("Random Chains", parts("the first part", "case"), by=FULL),
         rec("Random Chains 2", parts("the second part", "case"), by=FULL)),
    Pair("parts by two ids", rec("Random Chains: Bounds", PARTS, ID, by=FULL),
         rec("Random Chains: Rates", PARTS, OTHER_ID, by=FULL)),
    Pair("the reports of two years", rec("The Bird Challenge 2024", CHALLENGE.format(year=2024, teams="twelve"), by=FULL),
         rec("The Bird Challenge 2025", CHALLENGE.format(year=2025, teams="nine"), by=FULL)),
    Pair("the reports of two years under one title",
         rec("The Bird Challenge", CHALLENGE.format(year=2024, teams="twelve"), by=FULL),
         rec("The Bird Challenge", CHALLENGE.format(year=2025, teams="twelve"), by=FULL)),
    Pair("the fifth and the sixth workshop", rec("Fifth Night Bird Workshop", CHALLENGE), rec("Sixth Night Bird Workshop", CHALLENGE)),
    Pair("versions of a model", rec("Lantern 2.0: Models for All", MODEL.format(version="2.0"), by=FULL),
         rec("Lantern 3.0: Models for All", MODEL.format(version="3.0"), by=FULL)),
    Pair("versions of a model, the first without a number", rec("Lantern: Models for All", MODEL.format(version="")),
         rec("Lantern 2: Models for All", MODEL.format(version="2"))),
    Pair("versions of a data set", rec("NightBirds v1: Echoes", CHALLENGE, by=FULL), rec("NightBirds v2: Echoes", CHALLENGE, by=FULL)),
    Pair("one digit of a model's name", rec("How GPT-3 Flies Kites", KITES), rec("How GPT-4 Flies Kites", KITES)),
    Pair("a sign of a language's name", rec("Kites in C", KITES), rec("Kites in C++", BREAD)),
    Pair("one Greek letter", rec("Rates of α Decay in Kites", KITES), rec("Rates of β Decay in Kites", KITES)),
    Pair("with and without", rec("Flying Kites with Wind", KITES, by=FULL), rec("Flying Kites without Wind", KITES, by=FULL)),
    Pair("is and is not", rec("Wind Is All a Kite Needs", KITES), rec("Wind Is Not All a Kite Needs", KITES)),
    Pair("one group, half of the abstract", rec("Foretelling Swarms by Sound", SHARED_HALF + HALF_ONE, by=FULL),
         rec("Hearing Mites in Hives", SHARED_HALF + HALF_TWO, by=FULL)),
    Pair("one group, half of the abstract, titles alike", rec("Listening to Hives for Swarms", SHARED_HALF + HALF_ONE),
         rec("Listening to Hives for Mites", SHARED_HALF + HALF_TWO)),
    Pair("a boilerplate of proceedings", rec("Proceedings of Knots and Nets", PROCEEDINGS.format(about="knots", place="Rome")),
         rec("Proceedings of Formal Baking", PROCEEDINGS.format(about="formal baking", place="Oslo"))),
    Pair("a long notice of withdrawal under two titles", rec(T, LONG_WITHDRAWAL, by=FULL), rec("Of Bread", LONG_WITHDRAWAL, by=FULL)),
    Pair("no abstract under two titles", rec(T, "No abstract available. " * 12), rec("Of Bread", "No abstract available. " * 12)),
    Pair("an erratum that quotes the abstract", rec(T, KITES, by=FULL), rec(f"Erratum: {T}", quoting(KITES), by=FULL)),
    Pair("an erratum named at the end", rec(T, KITES, by=FULL), rec(f"{T} [Corrigendum]", KITES, by=FULL)),
    Pair("a comment by others", rec(T, KITES, by=FULL), rec(f"Comment on “{T}”", quoting(KITES), by=OTHERS)),
    Pair("a comment, nothing of authors", rec(T, KITES), rec(f"A Comment on: {T}", quoting(KITES))),
    Pair("a reply to a comment", rec(f"Comment on {T}", KITES), rec(f"Reply to “Comment on {T}”", KITES)),
    Pair("one abstract by nobody in common", rec(T, KITES, by=FULL), rec(CHANGED, KITES_POLISHED, by=OTHERS)),
    Pair("two ids with one DOI", rec(T, KITES, ID, DOI), rec("Of Bread", BREAD, OTHER_ID, DOI)),
    Pair("two ids with one title", rec("Optimal Kites", KITES, ID), rec("Optimal Kites", LOCKS, OTHER_ID)),
    Pair("two ids with nearly one abstract", rec(T, KITES, ID), rec(CHANGED, KITES_POLISHED, OTHER_ID)),
    Pair("a translation", rec(T, KITES, by=FULL), rec("Wetterdrachen gelernt in der Luft halten", GERMAN, by=FULL)),
    Pair("a Chinese title that is everybody's", rec("引言", CHINESE), rec("引言", CHINESE_BREAD)),
    Pair("an Arabic title that is everybody's", rec("مقدمة", ARABIC), rec("مقدمة", ARABIC_BREAD)),
]  # fmt: skip
