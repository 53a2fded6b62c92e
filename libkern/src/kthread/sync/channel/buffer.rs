//! Where values wait that were sent and not received yet.
//!
//! A value travels in a *parcel*, which its sender makes before it takes the channel's lock, and its receiver opens after it
//! has released it: under the lock nothing is allocated or freed.

use alloc::collections::{LinkedList, VecDeque};
use core::mem;

/// What kind of channel it is. There are [`Bounded`] and [`Unbounded`].
pub trait Kind {
    /// Where its values wait.
    type Buffer<T>: Buffer<T>;
}

/// There is room for a fixed number of values.
#[derive(Clone, Copy, Debug)]
pub struct Bounded;

/// There is room for any number of values.
#[derive(Clone, Copy, Debug)]
pub struct Unbounded;

impl Kind for Bounded {
    type Buffer<T> = Ring<T>;
}

impl Kind for Unbounded {
    type Buffer<T> = List<T>;
}

/// Values, first in first out.
pub trait Buffer<T> {
    /// A value on its way.
    type Parcel;

    /// Makes a parcel.
    fn pack(value: T) -> Self::Parcel;
    /// What is in a parcel.
    fn unpack(parcel: Self::Parcel) -> T;
    /// Puts a parcel last; gives it back if there is no room.
    fn put(&mut self, parcel: Self::Parcel) -> Result<(), Self::Parcel>;
    /// The first parcel.
    fn take(&mut self) -> Option<Self::Parcel>;
    /// All that is there, for dropping, and nothing is left. Afterwards there may be no room any more.
    fn take_all(&mut self) -> Self;
    /// How many values are there.
    fn len(&self) -> usize;
}

/// Room for a fixed number.
pub struct Ring<T> {
    values: VecDeque<T>,
    capacity: usize,
}

impl<T> Ring<T> {
    /// Room for this many.
    pub(super) fn new(capacity: usize) -> Self {
        Self { values: VecDeque::with_capacity(capacity), capacity }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }
}

impl<T> Buffer<T> for Ring<T> {
    type Parcel = T;

    #[inline(always)]
    fn pack(value: T) -> T {
        value
    }

    #[inline(always)]
    fn unpack(value: T) -> T {
        value
    }

    #[inline(always)]
    fn put(&mut self, value: T) -> Result<(), T> {
        if self.values.len() == self.capacity {
            return Err(value);
        }
        self.values.push_back(value);
        Ok(())
    }

    #[inline(always)]
    fn take(&mut self) -> Option<T> {
        self.values.pop_front()
    }

    fn take_all(&mut self) -> Self {
        Self { values: mem::take(&mut self.values), capacity: mem::take(&mut self.capacity) }
    }

    fn len(&self) -> usize {
        self.values.len()
    }
}

/// Room for any number: each value brings its own.
pub struct List<T> {
    values: LinkedList<T>,
}

impl<T> List<T> {
    pub(super) const fn new() -> Self {
        Self { values: LinkedList::new() }
    }
}

impl<T> Buffer<T> for List<T> {
    /// A list of one.
    type Parcel = LinkedList<T>;

    #[inline(always)]
    fn pack(value: T) -> LinkedList<T> {
        let mut parcel = LinkedList::new();
        parcel.push_back(value);
        parcel
    }

    #[inline(always)]
    fn unpack(mut parcel: LinkedList<T>) -> T {
        parcel.pop_front().expect("a parcel has a value")
    }

    #[inline(always)]
    fn put(&mut self, mut parcel: LinkedList<T>) -> Result<(), LinkedList<T>> {
        self.values.append(&mut parcel);
        Ok(())
    }

    #[inline(always)]
    fn take(&mut self) -> Option<LinkedList<T>> {
        if self.values.is_empty() {
            return None;
        }
        let rest = self.values.split_off(1);
        Some(mem::replace(&mut self.values, rest))
    }

    fn take_all(&mut self) -> Self {
        mem::replace(self, Self::new())
    }

    fn len(&self) -> usize {
        self.values.len()
    }
}
