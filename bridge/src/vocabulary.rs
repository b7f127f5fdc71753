//! The tokens of a model as llguidance wants them: a trie, and the slices of it that make masks of JSON fast.

use std::sync::Arc;

use llguidance::toktrie::{
    ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, INVALID_TOKEN,
};
use llguidance::{api::ParserLimits, earley::SlicedBiasComputer, ParserFactory};

use crate::failure::Failure;

/// The trie holds ids of 24 bits, and 1024 bytes a token.
const MOST_TOKENS: usize = 1 << 22;
const LONGEST_TOKEN: usize = 512;

/// What one text may use, llguidance's own defaults but for the states, which are the memory, about 1 KiB each, and for the
/// work before the first token: less than a second. A mask is refused after some 15 ms of work on the lexer or 3 ms on
/// the parser.
fn limits() -> ParserLimits {
    ParserLimits {
        max_items_in_row: 2_000,
        initial_lexer_fuel: 500_000,
        step_lexer_fuel: 200_000,
        step_max_items: 50_000,
        max_lexer_states: 50_000,
        max_grammar_size: 500_000,
        precompute_large_lexemes: true,
        verbose_errors: false,
    }
}

pub struct Vocabulary {
    pub factory: ParserFactory,
    pub tokens: Arc<Tokens>,
}

/// What guides know of the tokens besides.
pub struct Tokens {
    pub count: usize,
    pub end_ids: Vec<u32>,
    pub named: Vec<u32>, // those that are not text
}

impl Vocabulary {
    /// A token that is longer than the trie can hold is never allowed.
    pub fn make(tokens: &[&[u8]], end_ids: &[u32]) -> Result<Vocabulary, Failure> {
        if tokens.len() > MOST_TOKENS {
            return Err(Failure::Limit(format!("{} tokens are more than {MOST_TOKENS}", tokens.len())));
        }
        if let Some(id) = end_ids.iter().find(|&&id| id as usize >= tokens.len()) {
            return Err(Failure::Wrong(format!("token {id} ends a text, and there are {}", tokens.len())));
        }
        let words: Vec<Vec<u8>> = tokens
            .iter()
            .map(|bytes| if bytes.len() > LONGEST_TOKEN { Vec::new() } else { bytes.to_vec() })
            .collect();
        let first_end = end_ids.first().copied().unwrap_or(INVALID_TOKEN);
        let mut trie = TokTrie::from(&TokRxInfo::new(tokens.len() as u32, first_end), &words);
        if !end_ids.is_empty() {
            trie = trie.with_eos_tokens(end_ids);
        }
        // Not a canonical tokenizer: nothing is forced, so that a mask holds every token that can go on, whatever its cut.
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new(
            &environment,
            InferenceCapabilities::default(),
            &SlicedBiasComputer::json_slices(),
        )
        .map_err(|e| Failure::Wrong(e.to_string()))?;
        factory.quiet();
        *factory.limits_mut() = limits();
        let is_named = |bytes: &&[u8]| bytes.first() == Some(&TokTrie::SPECIAL_TOKEN_MARKER);
        let named = (0..).zip(tokens).filter(|(_, bytes)| is_named(bytes)).map(|(id, _)| id).collect();
        let tokens = Tokens { count: tokens.len(), end_ids: end_ids.to_vec(), named };
        Ok(Vocabulary { factory, tokens: Arc::new(tokens) })
    }
}
