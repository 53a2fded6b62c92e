use super::*;

fn ring() -> Ring<8> {
    Ring::new()
}

fn bytes<const SLOTS: usize>(ring: &Ring<SLOTS>, record: Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < record.len() {
        // SAFETY: the tests release a record after they have read it.
        unsafe { ring.read(record, bytes.len(), |chunk| bytes.extend_from_slice(chunk)) };
    }
    bytes
}

fn pop<const SLOTS: usize>(ring: &Ring<SLOTS>) -> Option<Vec<u8>> {
    let record = ring.find(ring.head())?;
    let bytes = bytes(ring, record);
    ring.release(record.end());
    Some(bytes)
}

fn push<const SLOTS: usize>(ring: &Ring<SLOTS>, bytes: &[u8]) -> bool {
    let reservation = ring.reserve(bytes.len());
    reservation.map(|reservation| ring.commit(reservation, bytes)).is_some()
}

#[test]
fn records_come_out_as_they_went_in_for_many_laps() {
    let ring = ring();
    for round in 0..1000usize {
        let record = vec![round as u8; 1 + round * 37 % MAX_RECORD];
        assert!(push(&ring, &record));
        assert_eq!(pop(&ring), Some(record));
    }
    assert_eq!(pop(&ring), None);
}

#[test]
fn a_full_ring_takes_no_more_until_something_left_it() {
    let ring = ring();
    for _ in 0..4 {
        assert!(push(&ring, &[1; 2 * SLOT]));
    }
    assert!(!push(&ring, b"x"));
    assert!(pop(&ring).is_some());
    assert!(!push(&ring, &[2; 2 * SLOT + 1]));
    assert!(push(&ring, &[2; 2 * SLOT]));
}

#[test]
fn the_drainer_waits_at_what_is_reserved() {
    let ring = ring();
    let first = ring.reserve(5).expect("there is room");
    assert!(push(&ring, b"second"));
    assert_eq!(pop(&ring), None);
    ring.commit(first, b"first");
    assert_eq!(pop(&ring).as_deref(), Some(&b"first"[..]));
    assert_eq!(pop(&ring).as_deref(), Some(&b"second"[..]));
}

#[test]
fn what_is_behind_an_abandoned_record_is_found_slot_by_slot() {
    let ring = ring();
    // Every slot has a stamp of an earlier lap.
    for _ in 0..16 {
        assert!(push(&ring, b"old"));
        assert!(pop(&ring).is_some());
    }
    let _abandoned = ring.reserve(3 * SLOT).expect("there is room");
    assert!(push(&ring, b"behind"));
    let found = (ring.head()..ring.tail()).find_map(|position| ring.find(position));
    assert_eq!(found.map(|record| bytes(&ring, record)), Some(b"behind".to_vec()));
}

#[test]
fn bytes_that_look_like_a_stamp_are_none() {
    let ring = ring();
    let stamp = Ring::<8>::stamp(1, 64).to_le_bytes();
    assert!(push(&ring, &stamp.repeat(16)));
    assert_eq!(ring.find(1), None);
}
