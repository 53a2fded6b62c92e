//! How long an operation may sleep, and how that shows in its result.
//!
//! Every operation that blocks exists in five forms: for ever, for a time, until a moment, until aborted, and the last two
//! together. They differ in what can go wrong, and each one's result says exactly that. So the limit is a type, and the
//! operation is written once, for any [`Limit`]; the [`blocking`] macro writes down the five.

use core::convert::Infallible;
use core::fmt;

use crate::time::{Duration, Instant};

/// The time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

/// Somebody asked the kthread to give up what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted;

/// Why something that can end in two ways did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// The time was up.
    TimedOut,
    /// Somebody asked the kthread to give up what it waits for.
    Aborted,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was up")
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the kthread was asked to give up")
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interrupted::TimedOut => TimedOut.fmt(f),
            Interrupted::Aborted => Aborted.fmt(f),
        }
    }
}

impl core::error::Error for TimedOut {}
impl core::error::Error for Aborted {}
impl core::error::Error for Interrupted {}

/// What may end a sleep before that which was waited for does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) until: Option<Instant>,
    pub(super) aborts: Aborts,
}

/// What requests to abort are to a sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aborts {
    /// They wait for a sleep that heeds them.
    Ignored,
    /// They end it.
    Heeded,
}

impl Bounds {
    /// Nothing.
    pub(super) const NONE: Bounds = Bounds { until: None, aborts: Aborts::Ignored };

    #[inline(always)]
    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// A moment. One that the clock does not reach is none.
    fn until(deadline: Instant, aborts: Aborts) -> Bounds {
        Bounds { until: Some(deadline).filter(|deadline| deadline.as_nanos() < u64::MAX), aborts }
    }

    /// Whether the time is up.
    pub(super) fn has_passed(self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// A limit as a type.
pub(super) trait Limit: Copy {
    /// What it adds to the ways in which an operation ends.
    type Cut;

    /// From now on.
    fn bounds(self) -> Bounds;

    /// How the operation's result says it. Panics if `interrupted` is nothing that this limit can lead to.
    fn cut(self, interrupted: Interrupted) -> Self::Cut;
}

/// No limit.
#[derive(Clone, Copy)]
pub(super) struct Never;

/// For a time.
#[derive(Clone, Copy)]
pub(super) struct Within(pub(super) Duration);

/// Until a moment.
#[derive(Clone, Copy)]
pub(super) struct Until(pub(super) Instant);

/// Until aborted.
#[derive(Clone, Copy)]
pub(super) struct Abortable;

/// Until a moment or aborted.
#[derive(Clone, Copy)]
pub(super) struct AbortableUntil(pub(super) Instant);

fn only(interrupted: Interrupted, possible: Interrupted) {
    assert!(interrupted == possible, "a sleep ended by what it does not heed: {interrupted:?}");
}

impl Limit for Never {
    type Cut = Infallible;

    #[inline(always)]
    fn bounds(self) -> Bounds {
        Bounds::NONE
    }

    #[cold]
    fn cut(self, interrupted: Interrupted) -> Infallible {
        panic!("a sleep without limits was ended: {interrupted:?}")
    }
}

impl Limit for Within {
    type Cut = TimedOut;

    fn bounds(self) -> Bounds {
        Until(Instant::now() + self.0).bounds()
    }

    fn cut(self, interrupted: Interrupted) -> TimedOut {
        only(interrupted, Interrupted::TimedOut);
        TimedOut
    }
}

impl Limit for Until {
    type Cut = TimedOut;

    fn bounds(self) -> Bounds {
        Bounds::until(self.0, Aborts::Ignored)
    }

    fn cut(self, interrupted: Interrupted) -> TimedOut {
        only(interrupted, Interrupted::TimedOut);
        TimedOut
    }
}

impl Limit for Abortable {
    type Cut = Aborted;

    fn bounds(self) -> Bounds {
        Bounds { until: None, aborts: Aborts::Heeded }
    }

    fn cut(self, interrupted: Interrupted) -> Aborted {
        only(interrupted, Interrupted::Aborted);
        Aborted
    }
}

impl Limit for AbortableUntil {
    type Cut = Interrupted;

    fn bounds(self) -> Bounds {
        Bounds::until(self.0, Aborts::Heeded)
    }

    fn cut(self, interrupted: Interrupted) -> Interrupted {
        interrupted
    }
}

/// The five forms of an operation `inner` that takes a [`Limit`] last and gives `Result<Out, L::Cut>`.
///
/// `blocking! { "Sentence." fn plain, for_a_time, until_a_moment, abortable, both(arguments) -> Out = inner; }`
macro_rules! blocking {
    ($(
        $(#[$attribute:meta])*
        fn $plain:ident, $timeout:ident, $until:ident, $abortable:ident, $both:ident
        $(<$($generic:ident: $bound:path),+>)? ($($argument:ident: $type:ty),*) -> $out:ty = $inner:ident;
    )+) => {$(
        $(#[$attribute])*
        ///
        /// Blocks: kthread context, no spin lock held, interrupts on.
        ///
        /// # Panics
        /// If this context may not block.
        #[inline]
        #[track_caller]
        pub fn $plain $(<$($generic: $bound),+>)? (&self $(, $argument: $type)*) -> $out {
            let Ok(out) = self.$inner($($argument,)* $crate::kthread::sync::limit::Never);
            out
        }

        #[doc = concat!("[`", stringify!($plain), "`](Self::", stringify!($plain), ") for at most a time.")]
        ///
        /// # Errors
        /// If the time is up first. With no time at all, nothing is waited for.
        ///
        /// # Panics
        /// If this context may not block.
        #[track_caller]
        pub fn $timeout $(<$($generic: $bound),+>)? (
            &self $(, $argument: $type)*, timeout: $crate::time::Duration,
        ) -> Result<$out, $crate::kthread::sync::TimedOut> {
            self.$inner($($argument,)* $crate::kthread::sync::limit::Within(timeout))
        }

        #[doc = concat!("[`", stringify!($plain), "`](Self::", stringify!($plain), ") until a moment at the latest.")]
        ///
        /// # Errors
        /// If the moment comes first, or is past.
        ///
        /// # Panics
        /// If this context may not block.
        #[track_caller]
        pub fn $until $(<$($generic: $bound),+>)? (
            &self $(, $argument: $type)*, deadline: $crate::time::Instant,
        ) -> Result<$out, $crate::kthread::sync::TimedOut> {
            self.$inner($($argument,)* $crate::kthread::sync::limit::Until(deadline))
        }

        #[doc = concat!("[`", stringify!($plain), "`](Self::", stringify!($plain), "), unless the kthread is asked to give up.")]
        ///
        /// # Errors
        /// If it is asked first, or was asked before and has not been told yet.
        ///
        /// # Panics
        /// If this context may not block.
        #[track_caller]
        pub fn $abortable $(<$($generic: $bound),+>)? (
            &self $(, $argument: $type)*
        ) -> Result<$out, $crate::kthread::sync::Aborted> {
            self.$inner($($argument,)* $crate::kthread::sync::limit::Abortable)
        }

        #[doc = concat!("[`", stringify!($plain), "`](Self::", stringify!($plain), ") until a moment at the latest, ")]
        /// unless the kthread is asked to give up.
        ///
        /// # Errors
        /// If the moment comes first, or the kthread is asked to give up; the error says which.
        ///
        /// # Panics
        /// If this context may not block.
        #[track_caller]
        pub fn $both $(<$($generic: $bound),+>)? (
            &self $(, $argument: $type)*, deadline: $crate::time::Instant,
        ) -> Result<$out, $crate::kthread::sync::Interrupted> {
            self.$inner($($argument,)* $crate::kthread::sync::limit::AbortableUntil(deadline))
        }
    )+};
}

pub(super) use blocking;
