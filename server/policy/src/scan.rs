//! How large and how deep a text of rules may be, counted before it is parsed: parsing, dropping and checking go as deep into
//! the stack as a rule is nested.

use crate::error::RuleError;

/// Of a whole set.
pub const MAX_BYTES: usize = 64 * 1024;
/// Of a whole set.
pub const MAX_RULES: usize = 100;
/// How deep brackets may be nested.
const MAX_NESTING: usize = 16;
/// Of one rule, brackets included: each may be a step into the stack.
const MAX_OPERATORS: usize = 120;

/// Where each rule begins, in bytes.
pub(crate) fn scan(text: &str) -> Result<Vec<usize>, RuleError> {
    if text.len() > MAX_BYTES {
        let message = format!("the rules have {} bytes; at most {MAX_BYTES} are taken", text.len());
        return Err(RuleError::at(text, 0, message));
    }
    let mut scan = Scan { text, starts: Vec::new(), inside: false, depth: 0, operators: 0 };
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '/' if characters.peek().is_some_and(|(_, next)| *next == '/') => {
                characters.by_ref().find(|(_, next)| *next == '\n');
            }
            '"' => {
                scan.enter(at)?;
                while let Some((_, next)) = characters.next() {
                    match next {
                        '\\' => drop(characters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            character if character.is_whitespace() => {}
            character if is_word(character) => {
                scan.enter(at)?;
                let mut end = at + character.len_utf8();
                while let Some((next, character)) = characters.next_if(|(_, next)| is_word(*next)) {
                    end = next + character.len_utf8();
                }
                if matches!(&text[at..end], "if" | "then" | "else" | "in" | "has" | "like" | "is") {
                    scan.operator(at)?;
                }
            }
            character => {
                scan.enter(at)?;
                scan.punctuation(at, character)?;
            }
        }
    }
    Ok(scan.starts)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

struct Scan<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// A rule has begun.
    inside: bool,
    depth: usize,
    /// In this rule.
    operators: usize,
}

impl Scan<'_> {
    fn enter(&mut self, at: usize) -> Result<(), RuleError> {
        if self.inside {
            return Ok(());
        }
        if self.starts.len() == MAX_RULES {
            return Err(RuleError::at(self.text, at, format!("at most {MAX_RULES} rules are taken")));
        }
        self.starts.push(at);
        (self.inside, self.operators) = (true, 0);
        Ok(())
    }

    fn punctuation(&mut self, at: usize, character: char) -> Result<(), RuleError> {
        match character {
            '(' | '[' | '{' => {
                self.depth += 1;
                if self.depth > MAX_NESTING {
                    let message = format!("brackets are nested more than {MAX_NESTING} deep");
                    return Err(RuleError::at(self.text, at, message));
                }
                // `a["b"]["c"]` goes one step deeper with each.
                self.operator(at)?;
            }
            ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
            // Where brackets do not match, the count of rules and of operators goes on.
            ';' if self.depth == 0 => self.inside = false,
            '!' | '-' | '+' | '*' | '&' | '|' | '<' | '>' | '=' | '.' | '%' | '/' => self.operator(at)?,
            _ => {}
        }
        Ok(())
    }

    fn operator(&mut self, at: usize) -> Result<(), RuleError> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            let message =
                format!("this rule has more than {MAX_OPERATORS} operators and brackets; make several of it");
            return Err(RuleError::at(self.text, at, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_begin_where_they_begin() {
        let text = "// a ; comment\n@id(\"a;b\")\npermit (principal, action, resource);\n  forbid (x) when { a; b };;";
        let starts = scan(text).expect("right");
        assert_eq!(starts.iter().map(|at| &text[*at..=*at]).collect::<String>(), "@f;");
    }

    #[test]
    fn what_is_in_texts_and_comments_counts_nothing() {
        let text = format!("permit(\"{}\\\"((((\") // {}\n;", "(".repeat(100), "!".repeat(1_000));
        assert!(scan(&text).is_ok());
    }
}
