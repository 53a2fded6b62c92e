//! What an operation costs: the difference between N of them and 2N.

use anyhow::{Context, bail};

use super::counts::{Count, Vector, Visit};

/// What each of `operations` operations in `region` cost, on all cores or on one.
///
/// The region was visited with N operations, then with 2N, and so on in turn. What is needed to get there and to count
/// cancels out. What a system does beside, now and then, only ever adds: of several visits the cheapest counts.
///
/// # Errors
/// If the region was not visited in pairs.
pub fn slope(visits: &[Visit], region: &str, operations: f64, core: Option<u64>) -> anyhow::Result<Vector> {
    let mine: Vec<_> = visits.iter().filter(|visit| visit.region == region).collect();
    if mine.len() % 2 != 0 {
        bail!("the region {region} is visited {} times, and not in pairs", mine.len());
    }
    let of_core = |visit: &&Visit| match core {
        None => visit.all,
        Some(core) => visit.cores.get(&core).copied().unwrap_or_default(),
    };
    let cheapest = |first: usize| {
        let visits = mine.iter().skip(first).step_by(2).map(of_core);
        visits.min_by(|left, right| left.get(Count::Instructions).total_cmp(&right.get(Count::Instructions)))
    };
    let pair = cheapest(0).zip(cheapest(1));
    let (once, twice) = pair.with_context(|| format!("the region {region} is never visited"))?;
    Ok((twice - once) / operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(region: &str, plain: f64) -> Visit {
        let vector = Vector { plain, locked: plain / 10.0, ..Vector::default() };
        Visit { region: region.to_owned(), all: vector, cores: [(0, vector)].into() }
    }

    #[test]
    fn what_both_visits_share_cancels_out() {
        let visits = [visit("r", 3_770.0), visit("other", 1.0), visit("r", 7_370.0)];
        let slope = slope(&visits, "r", 100.0, None).unwrap();
        assert!((slope.plain - 36.0).abs() < 1e-9 && (slope.locked - 3.6).abs() < 1e-9, "{slope:?}");
    }

    #[test]
    fn the_cheapest_of_several_visits_counts() {
        let visits = [310.0, 600.0, 300.0, 620.0].map(|plain| visit("r", plain));
        assert_eq!(slope(&visits, "r", 10.0, None).unwrap().plain, 30.0);
    }

    #[test]
    fn a_core_that_executed_nothing_has_a_slope_of_nothing() {
        let visits = [visit("r", 10.0), visit("r", 30.0)];
        assert_eq!(slope(&visits, "r", 10.0, Some(0)).unwrap().plain, 2.0);
        assert_eq!(slope(&visits, "r", 10.0, Some(1)).unwrap(), Vector::default());
    }

    #[test]
    fn a_region_that_is_not_visited_in_pairs_is_an_error() {
        for count in [0, 1, 3] {
            let visits = vec![visit("r", 1.0); count];
            assert!(slope(&visits, "r", 1.0, None).unwrap_err().to_string().contains("region r"), "{count}");
        }
    }
}
