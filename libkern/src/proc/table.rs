//! The table of a process's handles: which of them names what, and what may be done with it.
//!
//! Pure: nothing here knows what there is to name. A handle is a place and a generation; closing one makes the generation of
//! its place another, so that who still has the number finds nothing. (Rights: `mcp_abi::handle`.)

use alloc::vec::Vec;
use core::mem;

use mcp_abi::handle::{Handle, MAX_HANDLES, Rights};

/// Why a handle cannot be used, or had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandleError {
    /// It names nothing, or nothing of that kind.
    Bad,
    /// It does not give that right.
    NoRight,
    /// There are as many as there may be.
    Limit,
    /// There is no memory for it.
    OutOfMemory,
    /// The process is dying.
    Dying,
}

/// What a handle names.
#[derive(Debug)]
pub struct Entry<O> {
    /// The thing.
    pub object: O,
    /// What may be done with it.
    pub rights: Rights,
}

#[derive(Debug)]
struct Place<O> {
    /// Of the handle that is here, or of the next one.
    generation: u16,
    entry: Option<Entry<O>>,
}

/// The first generation of each place.
const FIRST: u16 = 1;

/// A table of handles.
///
/// # Invariants
/// No more than `limit` places; generations are not 0.
#[derive(Debug)]
pub struct Table<O> {
    places: Vec<Place<O>>,
    limit: usize,
    is_closed: bool,
}

impl<O> Table<O> {
    /// An empty one that may have `limit` handles, at most [`MAX_HANDLES`].
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        let limit = if limit < MAX_HANDLES { limit } else { MAX_HANDLES };
        Self { places: Vec::new(), limit, is_closed: false }
    }

    /// Makes sure that there is room for one more, and gives the handle that it will have.
    ///
    /// # Errors
    /// [`HandleError::Limit`], [`HandleError::OutOfMemory`], [`HandleError::Dying`].
    pub fn reserve(&mut self) -> Result<Handle, HandleError> {
        if self.is_closed {
            return Err(HandleError::Dying);
        }
        let free = self.places.iter().position(|place| place.entry.is_none());
        let index = match free {
            Some(index) => index,
            None if self.places.len() == self.limit => return Err(HandleError::Limit),
            None => {
                self.places.try_reserve(1).map_err(|_| HandleError::OutOfMemory)?;
                self.places.push(Place { generation: FIRST, entry: None });
                self.places.len() - 1
            }
        };
        Ok(Handle::new(index, self.places[index].generation))
    }

    /// Has the handle that [`reserve`](Self::reserve) gave name `object`.
    ///
    /// # Panics
    /// If it is not that one.
    pub fn insert(&mut self, handle: Handle, object: O, rights: Rights) {
        let place = &mut self.places[handle.index()];
        assert!(place.entry.is_none() && place.generation == handle.generation(), "the handle was reserved");
        place.entry = Some(Entry { object, rights });
    }

    fn place(&mut self, handle: Handle) -> Option<&mut Place<O>> {
        self.places.get_mut(handle.index()).filter(|place| place.generation == handle.generation())
    }

    /// What a handle names.
    ///
    /// # Errors
    /// [`HandleError::Bad`].
    pub fn get(&self, handle: Handle) -> Result<&Entry<O>, HandleError> {
        let place = self.places.get(handle.index()).filter(|place| place.generation == handle.generation());
        place.and_then(|place| place.entry.as_ref()).ok_or(HandleError::Bad)
    }

    /// Closes a handle, and gives what it named.
    ///
    /// # Errors
    /// [`HandleError::Bad`].
    pub fn remove(&mut self, handle: Handle) -> Result<Entry<O>, HandleError> {
        let place = self.place(handle).ok_or(HandleError::Bad)?;
        let entry = place.entry.take().ok_or(HandleError::Bad)?;
        place.generation = place.generation.checked_add(1).unwrap_or(FIRST);
        Ok(entry)
    }

    /// Closes all handles, for good, and gives what they named.
    pub fn close(&mut self) -> impl Iterator<Item = (Handle, Entry<O>)> + use<O> {
        self.is_closed = true;
        let places = mem::take(&mut self.places).into_iter().enumerate();
        places.filter_map(|(index, place)| Some((Handle::new(index, place.generation), place.entry?)))
    }
}

impl<O> Entry<O> {
    /// Checks that the handle gives all of `rights`.
    ///
    /// # Errors
    /// [`HandleError::NoRight`].
    pub fn demand(&self, rights: Rights) -> Result<(), HandleError> {
        if self.rights.contains(rights) { Ok(()) } else { Err(HandleError::NoRight) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn add(table: &mut Table<u32>, object: u32) -> Result<Handle, HandleError> {
        let handle = table.reserve()?;
        table.insert(handle, object, Rights::ALL);
        Ok(handle)
    }

    #[test]
    fn what_is_passed_has_the_handles_that_the_child_expects() {
        let mut table = Table::new(9);
        for n in 0..9 {
            assert_eq!(add(&mut table, 0), Ok(Handle::passed(n)));
        }
        assert_eq!(add(&mut table, 0), Err(HandleError::Limit));
    }

    #[test]
    fn a_limit_is_never_more_than_a_handle_can_name() {
        let mut table = Table::new(usize::MAX);
        let all = (0..).take_while(|&n| add(&mut table, n).is_ok()).count();
        assert_eq!(all, MAX_HANDLES);
    }

    #[test]
    fn a_generation_wraps_and_is_never_zero() {
        let mut table = Table::new(1);
        let first = add(&mut table, 0).unwrap();
        table.remove(first).unwrap();
        for _ in 1..u16::MAX {
            let next = add(&mut table, 0).unwrap();
            assert!(next != first && next.generation() != 0);
            table.remove(next).unwrap();
        }
        assert_eq!(add(&mut table, 0), Ok(first));
    }

    #[test]
    fn a_right_is_there_or_not() {
        let entry = Entry { object: (), rights: Rights::READ | Rights::MAP };
        assert_eq!(entry.demand(Rights::MAP), Ok(()));
        assert_eq!(entry.demand(Rights::READ | Rights::WRITE), Err(HandleError::NoRight));
    }

    #[test]
    fn a_closed_table_gives_all_back_and_takes_nothing() {
        let mut table = Table::new(4);
        let handles = [1, 2, 3].map(|object| add(&mut table, object).unwrap());
        table.remove(handles[1]).unwrap();
        assert!(table.close().map(|(handle, entry)| (handle, entry.object)).eq([(handles[0], 1), (handles[2], 3)]));
        assert_eq!(table.reserve(), Err(HandleError::Dying));
        assert_eq!(table.get(handles[0]).err(), Some(HandleError::Bad));
        assert_eq!(table.close().count(), 0);
    }

    proptest! {
        /// Whatever number a process makes up, it finds only what it has.
        #[test]
        fn a_table_is_a_map_of_handles_that_are_not_closed(
            steps in proptest::collection::vec((0..3u8, any::<u32>(), 0..4usize, 0..4u16), 1..200),
        ) {
            let mut table = Table::new(3);
            let mut model = BTreeMap::new();
            for (step, object, index, generation) in steps {
                let named = Handle::new(index, generation);
                match step {
                    0 => match add(&mut table, object) {
                        Ok(handle) => prop_assert_eq!(model.insert(handle.to_word(), object), None),
                        Err(error) => prop_assert_eq!((error, model.len()), (HandleError::Limit, 3)),
                    },
                    1 => {
                        let removed = table.remove(named).map(|entry| entry.object).ok();
                        prop_assert_eq!(removed, model.remove(&named.to_word()));
                    }
                    _ => {
                        let wild = Handle::from_word(object.into()).unwrap();
                        prop_assert!(table.get(wild).is_err() || model.contains_key(&wild.to_word()));
                    }
                }
                let found = table.get(named).map(|entry| entry.object).ok();
                prop_assert_eq!(found, model.get(&named.to_word()).copied());
            }
        }
    }
}
