//! Rewrites a template so that the operators and filters that walk values pay for the walk.
//!
//! minijinja's fuel pays for instructions and for data made, but a comparison, a concatenation or a filter may walk a
//! list of lists in which a few lines of template reach 10^12 values. So the template is parsed, and written again with
//! `__walk`, `__scan`, `__few` and `__list` (see template.rs) where values are walked; whitespace control is resolved
//! on the way, and statements keep their lines.

use minijinja::machinery::ast::{self, CallArg, Expr, Stmt, UnaryOpKind};
use minijinja::machinery::parse;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::Error;

use crate::charges::{argument_meter, comparison, operator, SHALLOW_FILTERS, SHALLOW_TESTS};
use crate::failure::{exceeded, invalid};

/// Deepest expression; a chain of n operators counts n.
const DEEPEST_EXPRESSION: usize = 250;

/// The metered form of `source`, whose line ends are \n.
pub fn rewrite(source: &str, syntax: SyntaxConfig) -> Result<String, Error> {
    let Stmt::Template(template) = parse(source, "chat", syntax)? else {
        return Err(invalid("not a template"));
    };
    let mut writer = Writer { text: String::with_capacity(source.len() * 2), line: 1, depth: 0 };
    writer.body(&template.children)?;
    Ok(writer.text)
}

struct Writer {
    text: String,
    line: usize,
    depth: usize,
}

impl Writer {
    fn push(&mut self, text: &str) {
        self.line += text.bytes().filter(|&b| b == b'\n').count();
        self.text.push_str(text);
    }

    /// Opens a tag on the line it had, as far as that can be.
    fn open(&mut self, tag: &str, line: u16) {
        self.text.push_str(tag);
        while self.line < usize::from(line) {
            self.push("\n");
        }
        self.push(" ");
    }

    fn body(&mut self, statements: &[Stmt]) -> Result<(), Error> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Stmt) -> Result<(), Error> {
        match statement {
            Stmt::EmitRaw(s) => self.raw(s.raw),
            Stmt::EmitExpr(s) => {
                self.open("{{", s.span().start_line);
                self.expression(&s.expr)?;
                self.push(" }}");
            }
            Stmt::Set(s) => {
                self.open("{% set", s.span().start_line);
                self.target(&s.target)?;
                self.push(" = ");
                self.expression(&s.expr)?;
                self.push(" %}");
            }
            Stmt::Continue(s) => {
                self.open("{% continue", s.span().start_line);
                self.push("%}");
            }
            Stmt::Break(s) => {
                self.open("{% break", s.span().start_line);
                self.push("%}");
            }
            Stmt::ForLoop(s) => self.for_loop(s, s.span().start_line)?,
            Stmt::IfCond(s) => self.if_cond(s, s.span().start_line)?,
            _ => self.block(statement)?,
        }
        Ok(())
    }

    /// A statement with a body and without branches.
    fn block(&mut self, statement: &Stmt) -> Result<(), Error> {
        match statement {
            Stmt::WithBlock(s) => {
                self.open("{% with", s.span().start_line);
                for (i, (target, expr)) in s.assignments.iter().enumerate() {
                    self.push(if i > 0 { ", (" } else { "(" });
                    self.target(target)?;
                    self.push(") = ");
                    self.expression(expr)?;
                }
                self.close(&s.body, "{% endwith %}")
            }
            Stmt::SetBlock(s) => {
                self.open("{% set", s.span().start_line);
                self.target(&s.target)?;
                if let Some(filter) = &s.filter {
                    self.push(" | ");
                    self.filter_chain(filter)?;
                }
                self.close(&s.body, "{% endset %}")
            }
            Stmt::FilterBlock(s) => {
                self.open("{% filter", s.span().start_line);
                self.filter_chain(&s.filter)?;
                self.close(&s.body, "{% endfilter %}")
            }
            Stmt::Macro(s) => {
                self.open("{% macro", s.span().start_line);
                self.push(s.name);
                self.parameters(s)?;
                self.close(&s.body, "{% endmacro %}")
            }
            Stmt::CallBlock(s) => {
                self.open("{% call", s.span().start_line);
                self.parameters(&s.macro_decl)?;
                self.push(" ");
                self.call(&s.call)?;
                self.close(&s.macro_decl.body, "{% endcall %}")
            }
            _ => Err(invalid("a statement that chat templates do not have")),
        }
    }

    /// The end of an opening tag, the body and the closing tag.
    fn close(&mut self, body: &[Stmt], end: &str) -> Result<(), Error> {
        self.push(" %}");
        self.body(body)?;
        self.push(end);
        Ok(())
    }

    /// Text between tags; a brace could open a tag, so text that has one is written as a constant.
    fn raw(&mut self, raw: &str) {
        if raw.contains('{') {
            self.push("{{ ");
            self.push(&literal(raw));
            self.push(" }}");
        } else {
            self.push(raw);
        }
    }

    fn for_loop(&mut self, s: &ast::ForLoop, line: u16) -> Result<(), Error> {
        self.open("{% for", line);
        self.target(&s.target)?;
        self.push(" in (");
        self.expression(&s.iter)?;
        self.push(")");
        if let Some(filter) = &s.filter_expr {
            self.push(" if (");
            self.expression(filter)?;
            self.push(")");
        }
        self.push(if s.recursive { " recursive %}" } else { " %}" });
        self.body(&s.body)?;
        if !s.else_body.is_empty() {
            self.push("{% else %}");
            self.body(&s.else_body)?;
        }
        self.push("{% endfor %}");
        Ok(())
    }

    fn if_cond(&mut self, first: &ast::IfCond, line: u16) -> Result<(), Error> {
        let (mut s, mut line, mut keyword) = (first, line, "if (");
        loop {
            self.open("{%", line);
            self.push(keyword);
            self.expression(&s.expr)?;
            self.push(") %}");
            self.body(&s.true_body)?;
            match s.false_body.as_slice() {
                [Stmt::IfCond(next)] => (s, line, keyword) = (next, next.span().start_line, "elif ("),
                [] => break,
                body => {
                    self.push("{% else %}");
                    self.body(body)?;
                    break;
                }
            }
        }
        self.push("{% endif %}");
        Ok(())
    }

    /// What is assigned to: a name, an attribute of one, or a list of those.
    fn target(&mut self, target: &Expr) -> Result<(), Error> {
        match target {
            Expr::Var(v) => self.push(v.id),
            Expr::GetAttr(g) => {
                self.target(&g.expr)?;
                self.push(".");
                self.push(g.name);
            }
            Expr::List(l) => {
                self.push("(");
                for item in &l.items {
                    self.target(item)?;
                    self.push(", ");
                }
                self.push(")");
            }
            _ => return Err(invalid("cannot assign to this")),
        }
        Ok(())
    }

    fn parameters(&mut self, s: &ast::Macro) -> Result<(), Error> {
        self.push("(");
        let without_default = s.args.len() - s.defaults.len();
        for (i, arg) in s.args.iter().enumerate() {
            if i > 0 {
                self.push(", ");
            }
            self.target(arg)?;
            if let Some(default) = i.checked_sub(without_default).and_then(|d| s.defaults.get(d)) {
                self.push("=");
                self.expression(default)?;
            }
        }
        self.push(")");
        Ok(())
    }

    fn filter_chain(&mut self, filter: &Expr) -> Result<(), Error> {
        let Expr::Filter(f) = filter else {
            return Err(invalid("not a filter"));
        };
        if let Some(inner) = &f.expr {
            self.filter_chain(inner)?;
            self.push(" | ");
        }
        self.push(f.name);
        self.arguments(&f.args, argument_meter(f.name))
    }

    /// An expression as an operand: a name, a constant, a postfix form, or something in parentheses.
    fn expression(&mut self, expr: &Expr) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > DEEPEST_EXPRESSION {
            return Err(exceeded("an expression is nested too deep"));
        }
        match expr {
            Expr::Var(v) => self.push(v.id),
            Expr::Const(c) => self.push(&constant(&c.value)?),
            Expr::GetAttr(g) => {
                self.expression(&g.expr)?;
                self.push(".");
                self.push(g.name);
            }
            Expr::GetItem(g) => {
                self.metered("__scan", &g.expr)?;
                self.push("[");
                self.metered("__walk", &g.subscript_expr)?;
                self.push("]");
            }
            Expr::Slice(s) => self.slice(s)?,
            Expr::Call(c) => self.call(c)?,
            Expr::List(l) => self.sequence("[", &l.items, "]")?,
            Expr::Tuple(t) => self.sequence("(", &t.items, if t.items.is_empty() { ")" } else { ",)" })?,
            Expr::Map(m) => self.map(m)?,
            Expr::UnaryOp(u) => {
                self.push(if matches!(u.op, UnaryOpKind::Not) { "(not " } else { "(-" });
                self.expression(&u.expr)?;
                self.push(")");
            }
            Expr::IfExpr(i) => self.if_expression(i)?,
            Expr::BinOp(b) => self.binary(b)?,
            Expr::Compare(c) => self.comparisons(c)?,
            Expr::Filter(f) => self.filter(f)?,
            Expr::Test(t) => self.test(t)?,
        }
        self.depth -= 1;
        Ok(())
    }

    fn map(&mut self, m: &ast::Map) -> Result<(), Error> {
        self.push("{");
        for (i, (key, value)) in m.keys.iter().zip(&m.values).enumerate() {
            self.push(if i > 0 { ", " } else { "" });
            self.metered("__walk", key)?;
            self.push(": ");
            self.expression(value)?;
        }
        self.push("}");
        Ok(())
    }

    fn if_expression(&mut self, i: &ast::IfExpr) -> Result<(), Error> {
        self.push("(");
        self.expression(&i.true_expr)?;
        self.push(" if ");
        self.expression(&i.test_expr)?;
        if let Some(other) = &i.false_expr {
            self.push(" else ");
            self.expression(other)?;
        }
        self.push(")");
        Ok(())
    }

    fn comparisons(&mut self, c: &ast::Compare) -> Result<(), Error> {
        self.push("(");
        self.metered("__walk", &c.expr)?;
        for next in &c.ops {
            self.push(comparison(next.op));
            self.metered("__walk", &next.expr)?;
        }
        self.push(")");
        Ok(())
    }

    fn test(&mut self, t: &ast::Test) -> Result<(), Error> {
        self.push("(");
        self.metered(if SHALLOW_TESTS.contains(&t.name) { "" } else { "__walk" }, &t.expr)?;
        self.push(" is ");
        self.push(t.name);
        self.arguments(&t.args, "__walk")?;
        self.push(")");
        Ok(())
    }

    /// `expr`, passed through `filter` unless that is empty or the value is a constant.
    fn metered(&mut self, filter: &str, expr: &Expr) -> Result<(), Error> {
        if filter.is_empty() || matches!(expr, Expr::Const(_)) {
            return self.expression(expr);
        }
        self.push("(");
        self.expression(expr)?;
        self.push("|");
        self.push(filter);
        self.push(")");
        Ok(())
    }

    fn slice(&mut self, s: &ast::Slice) -> Result<(), Error> {
        self.push("(");
        self.metered("__scan", &s.expr)?;
        self.push("[");
        for (i, part) in [&s.start, &s.stop, &s.step].into_iter().enumerate() {
            self.push(if i > 0 { ":" } else { "" });
            if let Some(part) = part {
                self.expression(part)?;
            }
        }
        self.push("]|__list)");
        Ok(())
    }

    fn sequence(&mut self, open: &str, items: &[Expr], close: &str) -> Result<(), Error> {
        self.push(open);
        for (i, item) in items.iter().enumerate() {
            self.push(if i > 0 { ", " } else { "" });
            self.expression(item)?;
        }
        self.push(close);
        Ok(())
    }

    fn call(&mut self, c: &ast::Call) -> Result<(), Error> {
        self.expression(&c.expr)?;
        // Methods meter their arguments themselves (methods.rs), but for this one of the loop.
        let compares = matches!(&c.expr, Expr::GetAttr(g) if g.name == "changed");
        if c.args.is_empty() {
            self.push("()");
        }
        self.arguments(&c.args, if compares { "__walk" } else { "" })
    }

    fn arguments(&mut self, args: &[CallArg], meter: &str) -> Result<(), Error> {
        if args.is_empty() {
            return Ok(());
        }
        self.push("(");
        for (i, arg) in args.iter().enumerate() {
            self.push(if i > 0 { ", " } else { "" });
            match arg {
                CallArg::Pos(expr) => self.metered(meter, expr)?,
                CallArg::Kwarg(name, expr) => {
                    self.push(name);
                    self.push("=");
                    self.metered(meter, expr)?;
                }
                CallArg::PosSplat(expr) => {
                    self.push("*");
                    self.metered(meter, expr)?;
                }
                CallArg::KwargSplat(expr) => {
                    self.push("**");
                    self.metered(meter, expr)?;
                }
            }
        }
        self.push(")");
        Ok(())
    }

    fn filter(&mut self, f: &ast::Filter) -> Result<(), Error> {
        let Some(subject) = &f.expr else {
            return Err(invalid("a filter without a subject"));
        };
        self.push("(");
        self.metered(if SHALLOW_FILTERS.contains(&f.name) { "" } else { "__walk" }, subject)?;
        self.push("|");
        self.push(f.name);
        self.arguments(&f.args, argument_meter(f.name))?;
        self.push("|__list)");
        Ok(())
    }

    fn binary(&mut self, b: &ast::BinOp) -> Result<(), Error> {
        let (operator, _, _) = operator(b.op);
        // Sums and products of lists are lazy: nested ones would be walked through each other.
        let lazy = matches!(operator, " + " | " * ");
        self.push(if lazy { "((" } else { "(" });
        self.chain(b)?;
        self.push(if lazy { ")|__list)" } else { ")" });
        Ok(())
    }

    /// `a + b - c` without parentheses, so that a long sum is not parsed as a deep one.
    fn chain(&mut self, b: &ast::BinOp) -> Result<(), Error> {
        let (text, level, meter) = operator(b.op);
        match &b.left {
            Expr::BinOp(left) if level > 0 && operator(left.op).1 == level => {
                self.depth += 1;
                if self.depth > DEEPEST_EXPRESSION {
                    return Err(exceeded("an expression is nested too deep"));
                }
                self.chain(left)?;
                self.depth -= 1;
            }
            left => self.metered(meter, left)?,
        }
        self.push(text);
        self.metered(meter, &b.right)
    }
}

/// A constant as written in a template.
fn constant(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::None => Ok("none".into()),
        ValueKind::Bool => Ok(if value.is_true() { "true".into() } else { "false".into() }),
        ValueKind::String => Ok(literal(value.as_str().unwrap_or(""))),
        ValueKind::Number if value.is_integer() => Ok(value.to_string()),
        ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(x) if x.is_finite() => Ok(format!("{x:?}")),
            _ => Err(invalid("a number is too large")),
        },
        kind => Err(invalid(format!("a constant of type {kind}"))),
    }
}

/// A text as a constant on one line.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_ascii_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
