//! What the two sides of a channel share.
//!
//! A buffer, the receivers that sleep, the senders that sleep, all under one lock. Values go first in first out, and from
//! hand to hand where somebody sleeps: a sleeper lends its *hand*, a place on its stack, and whoever lets it go has filled
//! or emptied it. So a woken receiver has its value, and need not compete for one.
//!
//! # Invariants
//!
//! - Receivers sleep only while the buffer is empty and no sender sleeps.
//! - Senders sleep only while the buffer is full and no receiver sleeps.
//! - Closed, nobody sleeps. Open, both sides have somebody.
//!
//! # Hazards
//!
//! 1. *The time is up while a value is put into the hand.* Both happen under the lock; who gave up has its hand back as it
//!    was, and a sender's error has the value.
//! 2. *The last of one side goes while the other side sleeps.* Closing lets all go: receivers with empty hands, senders with
//!    full ones, which is how they know.
//! 3. *Dropping values takes time, and may call anything.* It is done without the lock.

use core::ptr::NonNull;

use super::buffer::Buffer;
use super::error::{ChannelError, Empty, Full, Unsent};
use crate::kthread::sync::limit::Limit;
use crate::kthread::sync::waiter::{Queue, Waitable, Woken, sleep};
use crate::kthread::{WaitGuard, WaitLock, assert_may_block};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::cell::UnsafeCell;

/// A place for a parcel on the stack of a kthread that sleeps.
type Hand<P> = UnsafeCell<Option<P>>;

/// What a sleeper wants.
pub(super) enum Want<P> {
    /// To be rid of what is in its hand.
    Send(NonNull<Hand<P>>),
    /// To have something in its hand.
    Receive(NonNull<Hand<P>>),
}

impl<P> Clone for Want<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Want<P> {}

// SAFETY: the hand is used under the channel's lock by whoever has it; what moves through it may.
unsafe impl<P: Send> Send for Want<P> {}

pub(super) struct State<P, B> {
    buffer: B,
    senders: Queue<Want<P>>,
    receivers: Queue<Want<P>>,
    is_closed: bool,
}

pub(super) struct Exchange<T, B: Buffer<T>> {
    state: WaitLock<State<B::Parcel, B>>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

/// One of the channel's sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Senders,
    Receivers,
}

impl<P, B> State<P, B> {
    /// Hands a parcel to whoever has waited longest for one, or puts it into the buffer.
    #[inline(always)]
    fn put<T>(&mut self, parcel: P, woken: &mut Woken<Want<P>>) -> Result<(), (P, ChannelError<Full>)>
    where
        B: Buffer<T, Parcel = P>,
    {
        if self.is_closed {
            return Err((parcel, ChannelError::Closed));
        }
        if let Some(Want::Receive(hand)) = self.receivers.first() {
            // SAFETY: its owner sleeps in the queue, and the queue's lock is held.
            unsafe { hand.as_ref() }.with_mut(|hand| unsafe { *hand = Some(parcel) });
            self.receivers.grant(woken);
            return Ok(());
        }
        self.buffer.put(parcel).map_err(|parcel| (parcel, ChannelError::GaveUp(Full)))
    }

    /// Takes the first parcel, and lets whoever has waited longest for its room put his there.
    #[inline(always)]
    fn take<T>(&mut self, woken: &mut Woken<Want<P>>) -> Option<P>
    where
        B: Buffer<T, Parcel = P>,
    {
        let first = self.buffer.take();
        let Some(Want::Send(hand)) = self.senders.first() else { return first };
        // SAFETY: its owner sleeps in the queue, and the queue's lock is held.
        let next = unsafe { hand.as_ref() }.with_mut(|hand| unsafe { (*hand).take() });
        self.senders.grant(woken);
        if first.is_none() {
            // There is no buffer but the sleepers' hands.
            return next;
        }
        let put = next.map(|next| self.buffer.put(next));
        assert!(matches!(put, Some(Ok(()))), "a sleeping sender has a value, and there is room for it now");
        first
    }
}

impl<T, B: Buffer<T>> Exchange<T, B> {
    /// A channel with one sender and one receiver.
    pub(super) fn new(buffer: B) -> Self {
        let (senders, receivers) = (Queue::new(), Queue::new());
        Self {
            state: WaitLock::new(State { buffer, senders, receivers, is_closed: false }),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
        }
    }

    #[inline]
    pub(super) fn try_send(&self, value: T) -> Result<(), Unsent<T, ChannelError<Full>>> {
        let parcel = B::pack(value);
        let mut woken = Woken::nobody();
        let mut state = self.state.lock();
        let put = state.put(parcel, &mut woken);
        drop(state);
        woken.wake();
        put.map_err(|(parcel, why)| Unsent { value: B::unpack(parcel), why })
    }

    #[inline]
    #[track_caller]
    pub(super) fn send<L: Limit>(&self, value: T, limit: L) -> Result<(), Unsent<T, ChannelError<L::Cut>>> {
        assert_may_block(|| "Sender::send");
        let parcel = B::pack(value);
        let mut woken = Woken::nobody();
        let mut state = self.state.lock();
        let (parcel, why) = match state.put(parcel, &mut woken) {
            Ok(()) => {
                drop(state);
                woken.wake();
                return Ok(());
            }
            Err((parcel, ChannelError::Closed)) => (parcel, ChannelError::Closed),
            Err((parcel, ChannelError::GaveUp(Full))) => {
                let hand = Hand::new(Some(parcel));
                let waited = sleep(self, state, Want::Send(NonNull::from(&hand)), limit.bounds());
                match (hand.into_inner(), waited) {
                    (None, _) => return Ok(()),
                    (Some(parcel), Ok(())) => (parcel, ChannelError::Closed),
                    (Some(parcel), Err(why)) => (parcel, ChannelError::GaveUp(limit.cut(why))),
                }
            }
        };
        Err(Unsent { value: B::unpack(parcel), why })
    }

    #[inline]
    pub(super) fn try_receive(&self) -> Result<T, ChannelError<Empty>> {
        let mut woken = Woken::nobody();
        let mut state = self.state.lock();
        let (taken, is_closed) = (state.take(&mut woken), state.is_closed);
        drop(state);
        woken.wake();
        match taken {
            Some(parcel) => Ok(B::unpack(parcel)),
            None if is_closed => Err(ChannelError::Closed),
            None => Err(ChannelError::GaveUp(Empty)),
        }
    }

    #[inline]
    #[track_caller]
    pub(super) fn receive<L: Limit>(&self, limit: L) -> Result<T, ChannelError<L::Cut>> {
        assert_may_block(|| "Receiver::recv");
        let mut woken = Woken::nobody();
        let mut state = self.state.lock();
        if let Some(parcel) = state.take(&mut woken) {
            drop(state);
            woken.wake();
            return Ok(B::unpack(parcel));
        }
        if state.is_closed {
            return Err(ChannelError::Closed);
        }
        let hand = Hand::new(None);
        let waited = sleep(self, state, Want::Receive(NonNull::from(&hand)), limit.bounds());
        match (hand.into_inner(), waited) {
            (Some(parcel), _) => Ok(B::unpack(parcel)),
            (None, Ok(())) => Err(ChannelError::Closed),
            (None, Err(why)) => Err(ChannelError::GaveUp(limit.cut(why))),
        }
    }

    /// One more on this side.
    pub(super) fn join(&self, side: Side) {
        // Relaxed: the one who is there already keeps the side open.
        self.count(side).fetch_add(1, Ordering::Relaxed);
    }

    /// One less on this side. The last one closes the channel. Any context in which values may be dropped.
    pub(super) fn leave(&self, side: Side) {
        // Relaxed: what the last one does is under the lock, and what the others did is in it already.
        if self.count(side).fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        let mut woken = Woken::nobody();
        let mut state = self.state.lock();
        state.is_closed = true;
        state.senders.grant_all(&mut woken);
        state.receivers.grant_all(&mut woken);
        // Nobody will ask for what is there.
        let unreceived = (side == Side::Receivers).then(|| state.buffer.take_all());
        drop(state);
        woken.wake();
        drop(unreceived);
    }

    /// Looks at the buffer, and at whether the channel is closed.
    pub(super) fn look<R>(&self, f: impl FnOnce(&B, bool) -> R) -> R {
        let state = self.state.lock();
        f(&state.buffer, state.is_closed)
    }

    fn count(&self, side: Side) -> &AtomicUsize {
        match side {
            Side::Senders => &self.senders,
            Side::Receivers => &self.receivers,
        }
    }
}

// SAFETY: one lock, two queues in it, which are never replaced; which one, the variant says.
unsafe impl<T, B: Buffer<T>> Waitable for Exchange<T, B> {
    type State = State<B::Parcel, B>;
    type Want = Want<B::Parcel>;
    const KIND: &'static str = "channel";

    #[inline(always)]
    fn lock(&self) -> WaitGuard<'_, Self::State> {
        self.state.lock()
    }

    #[inline(always)]
    fn queue(state: &mut Self::State, want: Self::Want) -> &mut Queue<Self::Want> {
        match want {
            Want::Send(_) => &mut state.senders,
            Want::Receive(_) => &mut state.receivers,
        }
    }

    fn left(&self, _state: &mut Self::State, _want: Self::Want, _woken: &mut Woken<Self::Want>) {}
}
