"""The table of a comparison, and how it is printed in a paper."""

from __future__ import annotations

import pandas as pd

from graphrec.html_table import html_table

__all__ = ["Comparison"]

_SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


class Comparison(pd.DataFrame):
    """What :func:`graphrec.compare` returns: a DataFrame, one row per model and metric.

    :meth:`to_markdown` and :meth:`to_latex` print it as papers do, a row per model and a column per metric, and need
    no further package. What is derived from it (``table[table["p_holm"] < 0.05]``, ``table.round(3)``) is a plain
    DataFrame.
    """

    def to_markdown(self, digits: int = 4, alpha: float = 0.05) -> str:  # type: ignore[override]
        """A Markdown table: the best values bold, a star where a model differs from the baseline.

        Parameters
        ----------
        digits : int
            After the decimal point.
        alpha : float
            A star is put where ``p_holm`` is below.

        Returns
        -------
        str
            The table, an empty line, and a sentence that says what the star means.
        """
        header, rows = self._cells(digits, alpha)
        lines = [
            [_bar(name) for name in header],
            [":--", *["--:"] * (len(header) - 1)],
            *([_bar(name), *(_markdown(*cell) for cell in cells)] for name, cells in rows),
        ]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n\\* {self._note(alpha)}\n"

    def to_latex(self, digits: int = 4, alpha: float = 0.05) -> str:  # type: ignore[override]
        """A LaTeX ``tabular`` with the rules of the package booktabs; see :meth:`to_markdown`.

        Returns
        -------
        str
            To be put into a ``table``; its last line is a comment that says what the star means.
        """
        header, rows = self._cells(digits, alpha)
        lines = [
            f"\\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            "\\toprule",
            " & ".join(map(_escape, header)) + " \\\\",
            "\\midrule",
            *(" & ".join([_escape(name), *(_latex(*cell) for cell in cells)]) + " \\\\" for name, cells in rows),
            "\\bottomrule",
            "\\end{tabular}",
            f"% * {self._note(alpha)}",
        ]
        return "\n".join(lines) + "\n"

    def _repr_html_(self) -> str:
        """What a notebook shows: the table of :meth:`to_markdown`, with marks instead of bold type."""
        if not {"baseline", "models"} <= self.attrs.keys():  # no table of compare's making any more
            return str(pd.DataFrame(self)._repr_html_())  # type: ignore[operator]
        header, rows = self._cells(4, 0.05)
        cells = [[name, *(_plain(*cell) for cell in of_model)] for name, of_model in rows]
        note = self._note(0.05).replace("Bold:", "↑:")
        return html_table("Comparison", pd.DataFrame(cells, columns=pd.Index(header)), f"* {note}", index=False)

    def _cells(self, digits: int, alpha: float) -> tuple[list[str], list[tuple[str, list[tuple[str, str, bool, bool]]]]]:
        """Header, and for each model its cells: value, standard deviation or "", is it best, does it differ."""
        metrics = list(dict.fromkeys(self["metric"]))
        spread = "std" in self.columns
        means: dict[str, dict[str, tuple[float, float, bool]]] = {}
        for row in self.to_dict("records"):
            star = bool(row["p_holm"] < alpha)
            means.setdefault(row["model"], {})[row["metric"]] = (row["mean"], row.get("std", 0.0), star)
        for row in self.to_dict("records"):
            means.setdefault(self.attrs["baseline"], {})[row["metric"]] = (row["baseline"], row.get("baseline_std", 0.0), False)
        # What is printed alike is equally good.
        best = {m: max(round(of_model[m][0], digits) for of_model in means.values()) for m in metrics}
        rows = []
        for name in self.attrs["models"]:
            cells = []
            for metric in metrics:
                mean, std, star = means[name][metric]
                # One run has no standard deviation, which is NaN.
                deviation = f"{std:.{digits}f}" if spread and std == std else ""
                cells.append((f"{mean:.{digits}f}", deviation, round(mean, digits) == best[metric], star))
            rows.append((name, cells))
        return ["model", *metrics], rows

    def _note(self, alpha: float) -> str:
        runs = " Values are means over runs ± their standard deviation." if "std" in self.columns else ""
        untested = list(dict.fromkeys(self.loc[self["p"].isna(), "metric"]))
        without = f" Without a test: {', '.join(untested)}, of all lists together." if untested else ""
        return (
            f"differs from {self.attrs['baseline']}: p < {alpha:g}, paired randomisation test over "
            f"{self.attrs['n_users']:,} users, Holm-corrected for {int(self['p'].notna().sum())} comparisons. "
            f"Bold: the highest value.{without}{runs}"
        )


def _markdown(value: str, deviation: str, best: bool, star: bool) -> str:
    text = value + (f" ± {deviation}" if deviation else "")
    return (f"**{text}**" if best else text) + ("\\*" if star else "")


def _plain(value: str, deviation: str, best: bool, star: bool) -> str:
    return ("↑ " if best else "") + value + (f" ± {deviation}" if deviation else "") + (" *" if star else "")


def _latex(value: str, deviation: str, best: bool, star: bool) -> str:
    text = (f"\\textbf{{{value}}}" if best else value) + (f" $\\pm$ {deviation}" if deviation else "")
    return text + ("$^{*}$" if star else "")


def _bar(text: str) -> str:
    return text.replace("|", "\\|")


def _escape(text: str) -> str:
    return "".join(_SPECIAL.get(c, c) for c in text)
