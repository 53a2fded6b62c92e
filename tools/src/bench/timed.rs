//! Runs a program with a host thread for each core, for what only the clock can tell.
//!
//! A figure of that kind is the host's as much as the guest's. So what is to be compared is run in turn, several times, and
//! medians are compared that stand beside their quartiles. The machine is one with an HPET: without it, Linux cannot tell how
//! fast its clock goes when the host is busy while it boots, and waits for ever.

use std::time::Duration;

use super::guest::{self, CPU, Metrics};
use crate::build::Image;
use crate::qemu::{Accel, Config, Machine};

/// How often each program is run.
pub const RUNS: usize = 9;
/// No run takes longer.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Runs `image` on the machine `config`, whose board, accelerator and CPU are chosen here, once.
///
/// # Errors
/// If the run does not end with exit code 0.
pub fn run(image: &Image, config: &Config) -> anyhow::Result<Metrics> {
    let config = Config {
        accel: Accel::Tcg,
        accel_options: vec!["thread=multi".to_owned()],
        cpu: Some(CPU.to_owned()),
        machine: Machine::Q35,
        timeout: Some(TIMEOUT),
        ..config.clone()
    };
    guest::run(image, &config)
}

/// First quartile, median and third quartile, each a value that occurs. There must be a value.
pub fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_of_nine_are_the_third_fifth_and_seventh() {
        assert_eq!(quartiles((1..=9).rev().map(f64::from).collect()), [3.0, 5.0, 7.0]);
        assert_eq!(quartiles(vec![4.0]), [4.0; 3]);
    }
}
