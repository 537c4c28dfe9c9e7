"""What a check of a campaign found: the plan, the doctor's findings, the rows to look at. Knows no widgets."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from clicknb import display
from clicknb.campaign import plan_repr
from clicknb.campaign.plan import Plan
from clicknb.forms.campaign.draft import Recipe
from clicknb.forms.campaign.people import People
from clicknb.kinds import REPAIRS
from clicknb.recipients.report import doctor_report

CHANGED, EVERY = "All that were repaired or left out", "All rows"


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """A plan with all that is said of it, worked out once, so that showing it is quick.

    Attributes
    ----------
    facts : list of (str, str)
        What it sends and costs, and who is left out.
    warnings : list of str
        What to look at first.
    countries : pandas.DataFrame
        Columns as in ``clicknb.frames.COUNTRIES``.
    findings : pandas.DataFrame
        What the doctor found, columns as in ``clicknb.frames.FINDINGS``.
    title : str
        The same in a sentence.
    texts : list of str
        What a careful colleague would say of the texts.
    dear : pandas.DataFrame
        The characters that force Unicode, columns as in ``clicknb.frames.AUTOPSY``.
    rows : pandas.DataFrame
        The plan, columns as in ``clicknb.frames.PLAN``.
    """

    recipe: Recipe
    people: People
    plan: Plan
    facts: list[tuple[str, str]]
    warnings: list[str]
    countries: pd.DataFrame
    findings: pd.DataFrame
    title: str
    texts: list[str]
    dear: pd.DataFrame
    rows: pd.DataFrame

    @classmethod
    def of(cls, plan: Plan, recipe: Recipe, people: People) -> Checked:
        """Look at a plan from all sides."""
        rows = plan.frame
        report = doctor_report(rows)
        return cls(
            recipe=recipe,
            people=people,
            plan=plan,
            facts=plan_repr.facts(plan),
            warnings=[warning.plain for warning in plan_repr.warnings(plan) if warning.kind != "texts"],
            countries=plan.countries,
            findings=report.frame,
            title=str(report).splitlines()[0],
            texts=plan.lint()["what"].tolist(),
            dear=plan.autopsy(),
            rows=rows,
        )

    def repairs(self) -> dict[str, pd.Series]:
        """Give the finding of each kind of repair that was made, or refused as asked."""
        found = self.findings[self.findings["kind"].isin(REPAIRS)]
        return {str(kind): row for kind, row in found.set_index("kind", drop=False).iterrows()}

    def choices(self) -> list[tuple[str, str]]:
        """Name what rows can be shown, as pairs of words and a value."""
        kinds = self.findings.dropna(subset="kind")
        named = [(f"{kind} ({count:,})", kind) for kind, count in zip(kinds["kind"], kinds["rows"], strict=True)]
        return [(f"{name} ({len(self.chosen(name)):,})", name) for name in (CHANGED, EVERY)] + named

    def chosen(self, what: str, words: str = "") -> pd.DataFrame:
        """Choose rows by the kind of finding, and by words in the cell or in what became of it."""
        rows = self.rows
        if what == CHANGED:
            rows = rows[rows["repair"].notna() | rows["problem"].notna()]
        elif what != EVERY:
            rows = rows[rows["kind"] == what]
        if words := words.strip():
            found = pd.Series(False, rows.index)
            for column in ("read_as", "to", "repair", "problem", "kind"):
                found |= rows[column].fillna("").str.contains(words, case=False, regex=False).to_numpy()
            rows = rows[found.to_numpy()]
        return rows

    def table(self, what: str, words: str = "", count: int = 10) -> tuple[pd.DataFrame, int]:
        """Write some rows for people, masked, and how many there are in all."""
        rows = self.chosen(what, words)
        first = rows.head(count)
        shown = pd.DataFrame(
            {
                "row": [display.mask_digits(str(label)) for label in first.index],
                "written": first["read_as"].fillna("(nothing)").map(display.mask_written).tolist(),
                "becomes": first["to"].map(display.mask_number, na_action="ignore").fillna("left out").tolist(),
                "how sure": first["sure"].astype("object").fillna("").tolist(),
                "why": first["problem"].fillna(first["repair"]).fillna("as written").tolist(),
            }
        )
        shown.loc[first["problem"].notna().to_numpy(), "becomes"] = "left out"
        return shown, len(rows)
