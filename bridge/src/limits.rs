//! The bounds on what a template, which comes from a model file, may use, and the meter that enforces them where the
//! interpreter itself does not.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, State};

use crate::failure::exceeded;

/// Bytes of a template. The longest in use (tool calling, many languages) are below 64 KiB.
pub const LONGEST_TEMPLATE: usize = 256 << 10;
/// Bytes of all roles and contents of a conversation.
pub const LONGEST_CONVERSATION: usize = 16 << 20;
/// Bytes of a prompt.
pub const LONGEST_PROMPT: usize = 32 << 20;
/// Steps of the interpreter; 64 bytes made, 256 bytes read, 2 values walked, or 1 value copied, count as one step.
pub const FUEL: u64 = 1_000_000;
/// Depth of calls and blocks, in the interpreter's units: a macro counts 5.
pub const RECURSION: usize = 300;
/// Depth of lists in lists.
pub const DEEPEST_VALUE: usize = 64;
/// Values walked for one step.
const VALUES_PER_STEP: u64 = 2;
/// Bytes made for one step; reading is cheaper.
const BYTES_PER_STEP: u64 = 64;
const BYTES_READ_PER_BYTE: usize = 4;

/// Counts work in progress and charges the template's fuel for it as it goes, so that a walk stops in the middle.
pub struct Meter<'s, 't, 'e> {
    state: &'s State<'t, 'e>,
    values: u64,
    bytes: u64,
}

impl<'s, 't, 'e> Meter<'s, 't, 'e> {
    pub fn new(state: &'s State<'t, 'e>) -> Self {
        Meter { state, values: 0, bytes: 0 }
    }

    pub fn bytes(&mut self, n: usize) -> Result<(), Error> {
        self.bytes += n as u64;
        let steps = self.bytes / BYTES_PER_STEP;
        if steps > 0 {
            self.bytes %= BYTES_PER_STEP;
            self.state.consume_fuel(steps)?;
        }
        Ok(())
    }

    pub fn value(&mut self, depth: usize) -> Result<(), Error> {
        if depth > DEEPEST_VALUE {
            return Err(exceeded(format!("lists nested deeper than {DEEPEST_VALUE}")));
        }
        self.values += 1;
        if self.values >= VALUES_PER_STEP {
            self.values = 0;
            self.state.consume_fuel(1)?;
        }
        Ok(())
    }

    /// Charges for a walk over everything in `value`, as often as it is reached: what printing or comparing it costs.
    pub fn walk(&mut self, value: &Value) -> Result<(), Error> {
        self.walk_at(value, 0)
    }

    fn walk_at(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.value(depth)?;
        match value.kind() {
            ValueKind::String => self.bytes(value.as_str().map_or(0, str::len) / BYTES_READ_PER_BYTE),
            ValueKind::Seq | ValueKind::Iterable => {
                for item in value.try_iter()? {
                    self.walk_at(&item, depth + 1)?;
                }
                Ok(())
            }
            ValueKind::Map => {
                for key in value.try_iter()? {
                    self.walk_at(&key, depth + 1)?;
                    self.walk_at(&value.get_item(&key)?, depth + 1)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Whether walking `value` can be long.
pub fn is_container(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map)
}
