//! The C interface of guides.

use std::ffi::c_int;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::{ptr, slice};

use crate::failure::Failure;
use crate::ffi::{array, guarded, Text, View};
use crate::guide::{Guide, Kind};
use crate::vocabulary::Vocabulary;

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn pellucid_vocabulary_make(
    tokens: *const View,
    n_tokens: usize,
    end_ids: *const u32,
    n_end_ids: usize,
    made: *mut *mut Vocabulary,
    error: *mut Text,
) -> c_int {
    let result = guarded(error, || {
        let tokens: Vec<&[u8]> = array(tokens, n_tokens).iter().map(|view| view.bytes()).collect();
        Vocabulary::make(&tokens, array(end_ids, n_end_ids))
    });
    hand_out(result, made)
}

/// # Safety
/// `vocabulary` is null or comes from `pellucid_vocabulary_make`, and is not used again.
#[no_mangle]
pub unsafe extern "C" fn pellucid_vocabulary_free(vocabulary: *mut Vocabulary) {
    free(vocabulary);
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn pellucid_guide_compile(
    vocabulary: *const Vocabulary,
    kind: c_int,
    sources: *const View,
    n_sources: usize,
    compiled: *mut *mut Guide,
    error: *mut Text,
) -> c_int {
    let result = guarded(error, || {
        let kind = Kind::from_number(kind)?;
        let sources = array(sources, n_sources)
            .iter()
            .map(|view| view.read("it"))
            .collect::<Result<Vec<_>, Failure>>()?;
        Guide::compile(&*vocabulary, kind, &sources)
    });
    hand_out(result, compiled)
}

/// # Safety
/// `guide` comes from this library.
#[no_mangle]
pub unsafe extern "C" fn pellucid_guide_copy(guide: *const Guide) -> *mut Guide {
    let copy = catch_unwind(AssertUnwindSafe(|| (*guide).clone()));
    copy.map_or(ptr::null_mut(), |copy| Box::into_raw(Box::new(copy)))
}

/// # Safety
/// `guide` is null or comes from this library, and is not used again.
#[no_mangle]
pub unsafe extern "C" fn pellucid_guide_free(guide: *mut Guide) {
    free(guide);
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn pellucid_guide_allowed(
    guide: *mut Guide,
    words: *mut u32,
    n_words: usize,
    error: *mut Text,
) -> c_int {
    let result = guarded(error, || {
        let words = if n_words == 0 { &mut [] } else { slice::from_raw_parts_mut(words, n_words) };
        (*guide).allowed(words)
    });
    result.map_or_else(|status| status, |()| 0)
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn pellucid_guide_take(guide: *mut Guide, token: u32, error: *mut Text) -> c_int {
    guarded(error, || (*guide).take(token)).map_or_else(|status| status, |()| 0)
}

/// # Safety
/// `guide` comes from this library.
#[no_mangle]
pub unsafe extern "C" fn pellucid_guide_ended(guide: *const Guide) -> bool {
    (*guide).ended()
}

unsafe fn hand_out<T>(result: Result<T, c_int>, out: *mut *mut T) -> c_int {
    match result {
        Ok(value) => {
            ptr::write(out, Box::into_raw(Box::new(value)));
            0
        }
        Err(status) => status,
    }
}

/// A panic while it is released must not cross the interface.
unsafe fn free<T>(value: *mut T) {
    if !value.is_null() {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(Box::from_raw(value))));
    }
}
