//! The shape of a chord that the tokens of a suffix describe.

use super::token::Token;
use crate::music::theory::Quality;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Third {
    Minor,
    Sus2,
    Sus4,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fifth {
    Diminished,
    Augmented,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seventh {
    Diminished,
    Minor,
    Major,
}

/// What a suffix says about the chord tones.
#[derive(Debug)]
pub(super) struct Shape {
    /// `None` if major.
    third: Option<Third>,
    /// `None` if perfect.
    fifth: Option<Fifth>,
    sixth: bool,
    seventh: Option<Seventh>,
    /// A ninth in a chord without a seventh; other tensions are left out.
    ninth: bool,
    /// The seventh that a plain 7, 9, 11 or 13 adds.
    kind: Seventh,
    /// The highest degree so far that is neither altered nor added.
    highest: u8,
}

impl Shape {
    /// Reads the tokens of a suffix; `None` if they make no sense together. Additions to a major triad may be in brackets, as
    /// in `C(#11)`.
    pub(super) fn read(tokens: &[Token], in_brackets: bool) -> Option<Self> {
        Self::after(tokens, true).or_else(|| Self::after(tokens, false).filter(|_| in_brackets))
    }

    /// Reads the tokens after a root, which are the first, or after a major triad.
    fn after(tokens: &[Token], first: bool) -> Option<Self> {
        let mut shape = Self {
            third: None,
            fifth: None,
            sixth: false,
            seventh: None,
            ninth: false,
            kind: Seventh::Minor,
            highest: 0,
        };
        let (mut rest, mut first) = (tokens, first);
        while let Some((token, after)) = rest.split_first() {
            let used = shape.apply(*token, after, first)?;
            (rest, first) = (after.get(used..)?, false);
        }
        Some(shape)
    }

    /// Applies a token and returns how many of the following ones belong to it.
    fn apply(&mut self, token: Token, after: &[Token], first: bool) -> Option<usize> {
        let degree = match after.first() {
            Some(Token::Degree(degree)) => Some(*degree),
            _ => None,
        };
        match token {
            Token::Minor | Token::Dash if first => self.third = Some(Third::Minor),
            Token::MinorMajor if first => (self.third, self.kind) = (Some(Third::Minor), Seventh::Major),
            Token::Diminished if first => {
                (self.third, self.fifth) = (Some(Third::Minor), Some(Fifth::Diminished));
                self.kind = Seventh::Diminished;
            }
            Token::HalfDiminished if first => {
                (self.third, self.fifth) = (Some(Third::Minor), Some(Fifth::Diminished));
                self.seventh = Some(Seventh::Minor);
            }
            Token::Dominant if first => self.seventh = Some(Seventh::Minor),
            Token::Flat | Token::Dash => return self.alter(degree?, false, first),
            Token::Sharp => return self.alter(degree?, true, first),
            Token::Plus if degree.is_some_and(|degree| !first || degree == 5) => {
                return self.alter(degree?, true, first);
            }
            Token::Plus | Token::Augmented => self.set_fifth(Fifth::Augmented)?,
            // Like most players, Melos takes the raised one of the two altered fifths.
            Token::Altered => {
                self.set_fifth(Fifth::Augmented)?;
                self.seventh = Some(self.kind);
            }
            Token::Major | Token::MajorSeventh => {
                (self.kind != Seventh::Major).then_some(())?;
                self.kind = Seventh::Major;
                if self.seventh.is_some() || token == Token::MajorSeventh {
                    self.seventh = Some(Seventh::Major);
                }
            }
            Token::Suspended => {
                let written = degree.filter(|degree| matches!(degree, 2 | 4));
                self.suspend(if written == Some(2) { Third::Sus2 } else { Third::Sus4 })?;
                return Some(written.map_or(0, |_| 1));
            }
            Token::Add => return self.add(after),
            Token::No => return self.leave_out(degree?),
            Token::Degree(degree) => self.extend(degree, first)?,
            Token::Slash if !first && !after.is_empty() => {}
            _ => return None,
        }
        Some(0)
    }

    /// Adds a plain degree. Degrees ascend, as in `6/9`.
    fn extend(&mut self, degree: u8, first: bool) -> Option<()> {
        (degree > self.highest).then_some(())?;
        self.highest = degree;
        match degree {
            2 => self.ninth = true,
            3 => return None,
            4 => self.suspend(Third::Sus4)?,
            // Without a third, a chord is major, as on a keyboard that leads.
            5 => first.then_some(())?,
            6 => self.sixth = true,
            7 => self.seventh = Some(self.kind),
            _ if self.sixth => {}
            _ => self.seventh = Some(self.seventh.unwrap_or(self.kind)),
        }
        Some(())
    }

    /// Adds an altered degree and returns 1, the number of tokens that it takes. At the start, only a fifth can be altered.
    fn alter(&mut self, degree: u8, sharp: bool, first: bool) -> Option<usize> {
        match (degree, sharp) {
            (5, true) => self.set_fifth(Fifth::Augmented)?,
            (5, false) => self.set_fifth(Fifth::Diminished)?,
            _ if first => return None,
            (7, _) if self.seventh.is_some() => return None,
            (7, true) => self.seventh = Some(Seventh::Major),
            (7, false) => self.seventh = Some(Seventh::Minor),
            (4 | 9 | 11, true) | (6 | 9 | 13, false) => {}
            _ => return None,
        }
        Some(1)
    }

    /// Adds the degree after `add` and returns the number of tokens that it takes.
    fn add(&mut self, after: &[Token]) -> Option<usize> {
        match after {
            [Token::Degree(2 | 9), ..] => self.ninth = true,
            [Token::Degree(6 | 13), ..] => self.sixth = true,
            [Token::Degree(4 | 11), ..] => {}
            [Token::Sharp | Token::Plus, Token::Degree(4 | 9 | 11), ..]
            | [Token::Flat | Token::Dash, Token::Degree(2 | 6 | 9 | 13), ..] => return Some(2),
            _ => return None,
        }
        Some(1)
    }

    /// Leaves out a degree and returns 1, the number of tokens that it takes. Melos plays the third and fifth all the same, so
    /// they must not be altered.
    fn leave_out(&self, degree: u8) -> Option<usize> {
        match degree {
            3 => (self.third != Some(Third::Minor)).then_some(1),
            5 => self.fifth.is_none().then_some(1),
            _ => None,
        }
    }

    fn suspend(&mut self, third: Third) -> Option<()> {
        self.third.replace(third).is_none().then_some(())
    }

    fn set_fifth(&mut self, fifth: Fifth) -> Option<()> {
        self.fifth.replace(fifth).is_none().then_some(())
    }

    /// Returns the quality with the same third and fifth, and the seventh, sixth or ninth if there is one; `None` if no quality
    /// has that third and fifth.
    pub(super) fn quality(&self) -> Option<Quality> {
        Some(match (self.third, self.fifth, self.seventh) {
            // "minor major" without a number.
            (Some(Third::Minor), _, None) if self.kind == Seventh::Major => return None,
            (None, None, Some(Seventh::Major)) => Quality::Major7,
            (None, None, Some(_)) => Quality::Dominant7,
            (None, None, None) if self.sixth => Quality::Major6,
            (None, None, None) if self.ninth => Quality::Add9,
            (None, None, None) => Quality::Major,
            (None, Some(Fifth::Augmented), _) => Quality::Augmented,
            (Some(Third::Minor), None, Some(Seventh::Major)) => Quality::MinorMajor7,
            (Some(Third::Minor), None, Some(_)) => Quality::Minor7,
            (Some(Third::Minor), None, None) if self.sixth => Quality::Minor6,
            (Some(Third::Minor), None, None) => Quality::Minor,
            (Some(Third::Minor), Some(Fifth::Diminished), Some(Seventh::Minor)) => Quality::HalfDiminished7,
            (Some(Third::Minor), Some(Fifth::Diminished), Some(Seventh::Diminished)) => Quality::Diminished7,
            (Some(Third::Minor), Some(Fifth::Diminished), None) if self.sixth => Quality::Diminished7,
            (Some(Third::Minor), Some(Fifth::Diminished), _) => Quality::Diminished,
            (Some(Third::Sus2), None, _) => Quality::Sus2,
            (Some(Third::Sus4), None, _) => Quality::Sus4,
            _ => return None,
        })
    }
}
