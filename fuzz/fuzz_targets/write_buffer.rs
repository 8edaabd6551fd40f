//! The write buffer against bytes in a row.

#![no_main]

use std::io::IoSlice;

use libfuzzer_sys::fuzz_target;
use zloop_net::WriteBuffer;

fuzz_target!(|data: &[u8]| {
    let mut buffer = WriteBuffer::new();
    let mut model: Vec<u8> = Vec::new();
    let mut rest = data;
    while let Some((&kind, after)) = rest.split_first() {
        rest = after;
        match kind {
            0..128 => {
                let (chunk, after) = rest.split_at(usize::from(kind % 32).min(rest.len()));
                rest = after;
                buffer.push(chunk);
                model.extend(chunk);
            }
            128..250 => {
                let count = usize::from(kind - 128).min(model.len());
                buffer.advance(count);
                model.drain(..count);
            }
            250.. => {
                buffer.clear();
                model.clear();
            }
        }
        assert_eq!(buffer.len(), model.len());
        assert_eq!(buffer.is_empty(), model.is_empty());
        assert_eq!(buffer.first().is_empty(), model.is_empty());
        for room in [1, 3, buffer.chunk_count()] {
            let mut slices = vec![IoSlice::new(&[]); room];
            let count = buffer.gather(&mut slices);
            let gathered: Vec<u8> = slices[..count]
                .iter()
                .flat_map(|slice| slice.iter().copied())
                .collect();
            assert!(model.starts_with(&gathered));
            assert!(room < buffer.chunk_count() || gathered == model);
        }
    }
});
