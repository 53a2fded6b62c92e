//! A little of the soak (`suite_soak`).

use guest_tests::hostile::random::{code, soak};

#[libkern::test(ids = ["P60"])]
fn a_hundred_thousand_random_calls_harm_nobody() {
    soak(100_000, 2);
}

#[libkern::test(ids = ["P2"])]
fn random_instructions_harm_nobody() {
    code(0..60);
}
