//! What Python's Jinja reads otherwise than minijinja, made plain before the template is parsed. Lines stay where they
//! are.

/// The template with \n as its line ends, the tags of transformers' generation extension as scopes, and the escapes of
/// texts as Python reads them.
pub fn plain(source: &str) -> String {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    plain_texts(&plain_tags(&source))
}

/// `{% generation %}` marks what the assistant wrote, for training; it only opens a scope, as `{% with %}` does.
fn plain_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (head, tag) = rest.split_at(at + 2);
        out.push_str(head);
        let name = tag.trim_start_matches(['-', '+']).trim_start();
        let (keyword, scope) = match name {
            _ if name.starts_with("generation") => ("generation", "with"),
            _ if name.starts_with("endgeneration") => ("endgeneration", "endwith"),
            _ => ("", ""),
        };
        let after = &name[keyword.len()..];
        if !keyword.is_empty() && after.trim_start().trim_start_matches(['-', '+']).starts_with("%}") {
            out.push_str(&tag[..tag.len() - name.len()]);
            out.push_str(scope);
            rest = after;
        } else {
            rest = tag;
        }
    }
    out.push_str(rest);
    out
}

/// In a text between quotes, a backslash at the end of a line joins it with the next one (the line break moves behind
/// the text), and one before a slash stays.
fn plain_texts(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        let (head, tag) = rest.split_at(at);
        let end = match tag.as_bytes().get(1) {
            Some(b'#') => tag.find("#}").map_or(tag.len(), |n| n + 2),
            Some(b'{' | b'%') => tag_end(tag),
            _ => 1,
        };
        out.push_str(head);
        out.push_str(&join_lines(&tag[..end]));
        rest = &tag[end..];
    }
    out.push_str(rest);
    out
}

/// Where the tag that `tag` begins with ends: behind its braces, unless those are in a text.
fn tag_end(tag: &str) -> usize {
    let close = if tag.starts_with("{{") { "}}" } else { "%}" };
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in tag.char_indices().skip(2) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if tag[at..].starts_with(close) => return at + 2,
            None => {}
        }
    }
    tag.len()
}

fn join_lines(tag: &str) -> String {
    if tag.starts_with("{#") || !tag.contains('\\') {
        return tag.to_owned();
    }
    let mut out = String::with_capacity(tag.len());
    let mut quote = None;
    let mut moved = 0;
    let mut chars = tag.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => match chars.next() {
                Some('\n') => moved += 1,
                Some('/') => out.push_str("\\\\/"),
                Some(next) => out.extend(['\\', next]),
                None => out.push('\\'),
            },
            (Some(q), _) if c == q => {
                out.push(c);
                out.extend(std::iter::repeat('\n').take(std::mem::take(&mut moved)));
                quote = None;
            }
            (None, '"' | '\'') => {
                out.push(c);
                quote = Some(c);
            }
            _ => out.push(c),
        }
    }
    out
}
