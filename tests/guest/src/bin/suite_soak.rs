//! Calls and instructions by chance, for long.

#![no_std]
#![no_main]

use guest_tests::hostile::random::{code, soak};

libkern::test_main!();

#[libkern::test(long, ids = ["P60"])]
fn ten_million_random_calls_harm_nobody() {
    soak(10_000_000, 4);
}

#[libkern::test(long, ids = ["P2"])]
fn three_thousand_random_pieces_of_code_harm_nobody() {
    code(60..3000);
}
