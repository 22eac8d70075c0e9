//! Reading an equation of Einstein's sums: `"bij,bjk->bik"`.

use crate::{Error, Result};

const OP: &str = "einsum";

/// The axes of one operand, or of the result, as they stand in an equation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Term {
    /// Letters, with their places in the equation.
    pub letters: Vec<(char, usize)>,
    /// The number of letters before `...`, if it is there.
    pub ellipsis: Option<usize>,
}

/// The terms of the operands, and that of the result if it is given.
#[derive(Debug, PartialEq)]
pub(super) struct Equation {
    pub operands: Vec<Term>,
    pub result: Option<Term>,
}

/// Something wrong at a place (a character, counted from 0) of an equation.
pub(super) fn wrong(rule: &str, what: &str, place: usize, equation: &str) -> Error {
    Error::argument(OP, rule, format!("{what} at place {place} of `{equation}`"))
}

impl Equation {
    /// # Errors
    /// [`Error::Argument`] with the place of what does not belong there.
    pub(super) fn parse(equation: &str) -> Result<Self> {
        let characters: Vec<char> = equation.chars().collect();
        let mut terms = vec![Term::default()];
        let mut arrow = None;
        let mut i = 0;
        while i < characters.len() {
            let found = |text: &str| characters[i..].starts_with(&text.chars().collect::<Vec<_>>());
            let term = terms.last_mut().expect("there is one from the start");
            let character = characters[i];
            i += if character == ' ' {
                1
            } else if character.is_ascii_alphabetic() {
                term.letters.push((character, i));
                1
            } else if found("...") {
                if term.ellipsis.replace(term.letters.len()).is_some() {
                    return Err(wrong("a term may have one `...`", "a second", i, equation));
                }
                3
            } else if found("->") && arrow.is_none() {
                arrow = Some(terms.len());
                terms.push(Term::default());
                2
            } else if character == ',' && arrow.is_none() {
                terms.push(Term::default());
                1
            } else {
                return Err(wrong(
                    "an equation has letters, `...`, `,` between operands and one `->`",
                    &format!("`{character}`"),
                    i,
                    equation,
                ));
            };
        }
        let result = arrow.and_then(|at| terms.drain(at..).next());
        if let Some(result) = &result {
            for (n, &(letter, place)) in result.letters.iter().enumerate() {
                let what = format!("`{letter}`");
                if result.letters[..n]
                    .iter()
                    .any(|(other, _)| *other == letter)
                {
                    return Err(wrong(
                        "a letter may stand once in the result",
                        &what,
                        place,
                        equation,
                    ));
                }
                let known = |term: &Term| term.letters.iter().any(|(other, _)| *other == letter);
                if !terms.iter().any(known) {
                    return Err(wrong(
                        "a letter of the result must stand in an operand",
                        &what,
                        place,
                        equation,
                    ));
                }
            }
        }
        Ok(Equation {
            operands: terms,
            result,
        })
    }

    /// The letters of the result: those given, or all that stand in the operands just once, in the order of the
    /// alphabet, capitals first.
    pub(super) fn result_letters(&self) -> Vec<char> {
        if let Some(result) = &self.result {
            return result.letters.iter().map(|(letter, _)| *letter).collect();
        }
        let mut letters: Vec<char> = self
            .operands
            .iter()
            .flat_map(|term| term.letters.iter().map(|(letter, _)| *letter))
            .collect();
        letters.sort_unstable();
        let all = letters.clone();
        letters.retain(|letter| all.iter().filter(|other| *other == letter).count() == 1);
        letters
    }
}
