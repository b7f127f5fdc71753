//! What a source is refused for before llguidance sees it: work that its own limits do not bound. It computes the states of
//! an intersection of patterns as the product of theirs, and looks at each property of an object once for each other.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::failure::Failure;

/// Bytes of a pattern, and of a schema, a grammar, or all choices. Large schemas in use (FHIR) have some hundred KiB.
const LONGEST_PATTERN: usize = 64 << 10;
const LONGEST_SOURCE: usize = 1 << 20;

/// Patterns and formats that one text may have to match at once.
const MOST_PATTERNS: usize = 4;
/// Intersections that a grammar may ask for.
const MOST_INTERSECTIONS: usize = 2;
/// Texts and patterns that a grammar may hold: as alternatives of a rule, 30,000 take seconds.
const MOST_TERMS: usize = 10_000;
/// Properties that one object may name.
const MOST_PROPERTIES: usize = 1000;
/// References that lead from one to another: 127 levels of JSON lie between two of them at most.
const DEEPEST: usize = 500;

pub fn check_length(sources: &[&str], is_pattern: bool) -> Result<(), Failure> {
    let size: usize = sources.iter().map(|source| source.len()).sum();
    let most = if is_pattern { LONGEST_PATTERN } else { LONGEST_SOURCE };
    if size > most {
        return Err(Failure::Limit(format!("{size} bytes are more than {most}")));
    }
    Ok(())
}

pub fn check_schema(root: &Value) -> Result<(), Failure> {
    let mut walk = SchemaWalk { root, depth: 0, known: HashMap::new() };
    let patterns = walk.patterns_of(root)?;
    if patterns > MOST_PATTERNS {
        return Err(Failure::Limit(format!(
            "a text may have to match {patterns} patterns at once, more than {MOST_PATTERNS}"
        )));
    }
    Ok(())
}

struct SchemaWalk<'a> {
    root: &'a Value,
    depth: usize,
    known: HashMap<*const Value, usize>, // what references lead to; 0 while it is being found
}

impl<'a> SchemaWalk<'a> {
    /// A bound on the patterns that one text of the schema, or of a part of it, has to match: what `allOf` or a reference
    /// adds counts, of alternatives and of parts the most.
    fn patterns_of(&mut self, schema: &'a Value) -> Result<usize, Failure> {
        let Value::Object(members) = schema else { return Ok(0) };
        let mut sum = ["pattern", "format"].iter().filter(|name| members.contains_key(**name)).count();
        let mut parts = 0;
        for (name, value) in members {
            match name.as_str() {
                "allOf" => {
                    for one in value.as_array().into_iter().flatten() {
                        sum = self.patterns_of(one)?.saturating_add(sum);
                    }
                }
                "anyOf" | "oneOf" => {
                    sum = self.most_of(value.as_array().into_iter().flatten())?.saturating_add(sum)
                }
                "$ref" => sum = self.patterns_of_reference(value)?.saturating_add(sum),
                "properties" | "patternProperties" => {
                    if let Value::Object(named) = value {
                        check_properties(named)?;
                        parts = parts.max(self.most_of(named.values())?);
                    }
                }
                "$defs" | "definitions" | "prefixItems" => {
                    let list = value.as_array().into_iter().flatten();
                    let named = value.as_object().into_iter().flat_map(Map::values);
                    parts = parts.max(self.most_of(list.chain(named))?);
                }
                "items" | "additionalItems" | "additionalProperties" | "propertyNames" => {
                    parts = parts.max(self.patterns_of(value)?);
                }
                _ => {}
            }
        }
        Ok(parts.saturating_add(sum))
    }

    fn most_of(&mut self, schemas: impl Iterator<Item = &'a Value>) -> Result<usize, Failure> {
        let mut most = 0;
        for schema in schemas {
            most = most.max(self.patterns_of(schema)?);
        }
        Ok(most)
    }

    fn patterns_of_reference(&mut self, reference: &Value) -> Result<usize, Failure> {
        let target = reference.as_str().and_then(|path| self.root.pointer(path.strip_prefix('#')?));
        let Some(target) = target else { return Ok(0) };
        if let Some(&patterns) = self.known.get(&(target as *const Value)) {
            return Ok(patterns);
        }
        if self.depth == DEEPEST {
            return Err(Failure::Limit(format!("its references lead from one to another {DEEPEST} times")));
        }
        self.known.insert(target, 0);
        self.depth += 1;
        let patterns = self.patterns_of(target)?;
        self.depth -= 1;
        self.known.insert(target, patterns);
        Ok(patterns)
    }
}

fn check_properties(named: &Map<String, Value>) -> Result<(), Failure> {
    if named.len() > MOST_PROPERTIES {
        return Err(Failure::Limit(format!(
            "an object names {} properties, more than {MOST_PROPERTIES}",
            named.len()
        )));
    }
    Ok(())
}

/// Looks at what stands in a grammar outside of its texts, patterns and comments.
pub fn check_grammar(source: &str) -> Result<(), Failure> {
    let mut rest = source;
    let (mut intersections, mut terms) = (0, 0);
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '/' if rest.starts_with("//") => after_line(rest),
            '"' | '/' => {
                terms += 1;
                after_literal(&rest[1..], first)
            }
            '#' => after_line(rest),
            '%' if rest.starts_with("%json") => {
                let json = &rest["%json".len()..];
                let mut values = serde_json::Deserializer::from_str(json).into_iter::<Value>();
                if let Some(Ok(schema)) = values.next() {
                    check_schema(&schema)?;
                }
                &json[values.byte_offset().min(json.len())..]
            }
            _ => {
                intersections += usize::from(first == '&');
                &rest[first.len_utf8()..]
            }
        };
    }
    if intersections > MOST_INTERSECTIONS {
        return Err(Failure::Limit(format!(
            "it has {intersections} intersections (&), more than {MOST_INTERSECTIONS}"
        )));
    }
    if terms > MOST_TERMS {
        return Err(Failure::Limit(format!("it holds {terms} texts and patterns, more than {MOST_TERMS}")));
    }
    Ok(())
}

fn after_line(text: &str) -> &str {
    text.find('\n').map_or("", |end| &text[end..])
}

/// Behind the `quote` that ends it.
fn after_literal(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && !escaped {
            return &text[at + 1..];
        }
        escaped = c == '\\' && !escaped;
    }
    ""
}
