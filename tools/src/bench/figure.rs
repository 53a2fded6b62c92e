//! A measured figure beside its bar.

use std::fmt;

use serde::Serialize;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Which benchmark it is part of.
    pub benchmark: String,
    /// What it is.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: String,
    /// What it must not exceed, if anything.
    pub bar: Option<f64>,
    /// Whether another run gives the same to the digit. A bar missed by one that does not is no failure: it
    /// may be the host.
    pub deterministic: bool,
    /// What else is to be said: quartiles, the parts of the vector.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Figure {
    /// Whether the bar is met; `None` if there is none.
    pub fn met(&self) -> Option<bool> {
        self.bar.map(|bar| self.value <= bar)
    }

    /// Whether this must not pass.
    pub fn fails(&self) -> bool {
        self.deterministic && self.met() == Some(false)
    }
}

/// Figures as a table, a line each.
pub struct Table<'a>(pub &'a [Figure]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |figure: &Figure| format!("{}: {}", figure.benchmark, figure.name);
        let width = self.0.iter().map(|figure| name(figure).chars().count()).max().unwrap_or(0);
        for figure in self.0 {
            let verdict = match figure.met() {
                None => "",
                Some(true) => "met",
                Some(false) => "MISSED",
            };
            let bar = figure.bar.map(|bar| format!("bar {}", number(bar))).unwrap_or_default();
            let value = format!("{} {}", number(figure.value), figure.unit);
            let line = format!("{:width$}  {value:>24}  {bar:14} {verdict:6} {}", name(figure), figure.note);
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A number as people read it: thousands apart, no more digits after the point than it has.
pub fn number(value: f64) -> String {
    let text = format!("{:.3}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64, bar: Option<f64>) -> Figure {
        Figure {
            benchmark: "boot".to_owned(),
            name: "one core".to_owned(),
            value,
            unit: "instructions".to_owned(),
            bar,
            deterministic: true,
            note: String::new(),
        }
    }

    #[test]
    fn numbers_are_grouped() {
        let written = [0.0, 0.05, 999.0, 1000.0, 1_234_567.5, -1500.0].map(number);
        assert_eq!(written, ["0", "0.05", "999", "1,000", "1,234,567.5", "-1,500"]);
    }

    #[test]
    fn the_table_says_whether_a_bar_is_met() {
        let figures = [figure(40.0, Some(40.0)), figure(41.0, Some(40.0)), figure(1.0, None)];
        let table = Table(&figures).to_string();
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[0].ends_with("40 instructions  bar 40         met"), "{}", lines[0]);
        assert!(lines[1].ends_with("MISSED"), "{}", lines[1]);
        assert!(lines[2].ends_with("1 instructions"), "{}", lines[2]);
    }

    #[test]
    fn only_what_is_deterministic_fails() {
        let missed = figure(2.0, Some(1.0));
        assert!(missed.fails());
        assert!(!Figure { deterministic: false, ..missed }.fails());
        assert!(!figure(2.0, None).fails());
    }
}
