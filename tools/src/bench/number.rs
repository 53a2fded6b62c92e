//! Numbers as people read them.

/// Thousands apart, no more digits after the point than it has.
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
    let fraction = fraction.trim_end_matches('0');
    let is_zero = grouped == "0" && fraction.is_empty();
    let sign = if value < 0.0 && !is_zero { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}.{fraction}") }
}

/// The same with about three digits: for what is not known better, or needs not be.
pub fn rounded(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0..100.0 => 1,
        1.0..10.0 => 2,
        _ => 3,
    };
    let scale = f64::from(10_u32.pow(digits));
    number((value * scale).round() / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let written = [0.0, 0.05, 999.0, 1000.0, 1_234_567.5, -1500.0, -0.0001].map(number);
        assert_eq!(written, ["0", "0.05", "999", "1,000", "1,234,567.5", "-1,500", "0"]);
        let written = [0.0, 0.0512, 9.876, 43.21, 1_234_567.5].map(rounded);
        assert_eq!(written, ["0", "0.051", "9.88", "43.2", "1,234,568"]);
    }
}
