//! A measured figure beside its bar, and beside what the same takes on Linux.

use serde::Serialize;

use super::counts::Vector;

/// A figure: what was measured, and what is to be compared with it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figure {
    /// Which benchmark it is part of.
    pub benchmark: String,
    /// What it is.
    pub name: String,
    /// Of what it is an amount.
    pub unit: String,
    /// Ours.
    #[serde(flatten)]
    pub ours: Measured,
    /// Linux's, if it does such a thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// What ours must not exceed, if anything.
    pub bar: Option<f64>,
    /// A figure that misses its bar as yet is no failure as long as it does not exceed this: it may only get better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub so_far: Option<f64>,
    /// How many times more it has to take on Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<f64>,
    /// Whether another run gives the same to the digit. A bar missed by one that does not is no failure: it
    /// may be the host.
    pub deterministic: bool,
    /// What else is to be said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What was measured on one system.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measured {
    /// How much.
    pub value: f64,
    /// Its parts, if it was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector: Option<Vector>,
    /// First and third quartile, if it is a median of several runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quartiles: Option<[f64; 2]>,
}

impl Measured {
    /// A figure that is nothing but a number.
    pub fn value(value: f64) -> Self {
        Self { value, ..Self::default() }
    }
}

/// The same on Linux.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Peer {
    /// What it is called in `tests/peer`.
    pub operation: String,
    /// What was measured; nothing if there was no Linux.
    #[serde(flatten)]
    pub measured: Option<Measured>,
}

impl Figure {
    /// How many times more it takes on Linux.
    pub fn ratio(&self) -> Option<f64> {
        let theirs = self.peer.as_ref()?.measured.as_ref()?.value;
        (self.ours.value != 0.0).then(|| theirs / self.ours.value)
    }

    /// Whether the bars are met; `None` if there is none that can be held against it.
    pub fn met(&self) -> Option<bool> {
        let by_value = self.bar.map(|bar| self.ours.value <= bar);
        let by_ratio = self.times.zip(self.ratio()).map(|(times, ratio)| ratio >= times);
        match (by_value, by_ratio) {
            (Some(one), Some(other)) => Some(one && other),
            (one, other) => one.or(other),
        }
    }

    /// Whether this must not pass.
    pub fn fails(&self) -> bool {
        let is_no_worse = self.so_far.is_some_and(|so_far| self.ours.value <= so_far);
        self.deterministic && self.met() == Some(false) && !is_no_worse
    }
}

/// How a number of cores is written.
pub fn cores(smp: u32) -> String {
    if smp == 1 { "1 core".to_owned() } else { format!("{smp} cores") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(ours: f64, theirs: Option<f64>, bar: Option<f64>, times: Option<f64>) -> Figure {
        let peer = Some(Peer { operation: "x".into(), measured: theirs.map(Measured::value) });
        Figure { ours: Measured::value(ours), peer, bar, times, deterministic: true, ..Figure::default() }
    }

    #[test]
    fn a_bar_is_met_by_value_by_ratio_or_by_both() {
        for (ours, theirs, bar, times, met) in [
            (40.0, None, Some(40.0), None, Some(true)),
            (41.0, None, Some(40.0), None, Some(false)),
            (1.0, None, None, None, None),
            (2.0, Some(5.0), None, Some(2.5), Some(true)),
            (2.0, Some(4.9), None, Some(2.5), Some(false)),
            (2.0, None, None, Some(2.5), None),
            (2.0, Some(5.0), Some(1.0), Some(2.5), Some(false)),
            (2.0, None, Some(2.0), Some(2.5), Some(true)),
        ] {
            assert_eq!(figure(ours, theirs, bar, times).met(), met, "{ours} {theirs:?} {bar:?} {times:?}");
        }
        assert_eq!(figure(0.0, Some(5.0), None, None).ratio(), None);
    }

    #[test]
    fn only_what_is_deterministic_fails() {
        let missed = figure(2.0, None, Some(1.0), None);
        assert!(missed.fails());
        assert!(!Figure { deterministic: false, ..missed.clone() }.fails());
        let value = missed.ours.value;
        assert!(!Figure { so_far: Some(value), ..missed.clone() }.fails());
        assert!(Figure { so_far: Some(value - 1.0), ..missed }.fails());
        assert!(!figure(2.0, None, None, None).fails());
    }

    #[test]
    fn what_was_measured_is_written_flat() {
        let json = |figure: &Figure| serde_json::to_value(figure).unwrap();
        let with = json(&figure(2.0, Some(5.0), Some(3.0), None));
        assert_eq!((&with["value"], &with["bar"], &with["peer"]["value"]), (&2.0.into(), &3.0.into(), &5.0.into()));
        let without = json(&figure(2.0, None, None, None));
        assert_eq!(without["peer"], serde_json::json!({ "operation": "x" }));
    }
}
