//! The reader of YAML, which means by a text what kubectl means by it.
//!
//! The parser is saphyr's. What its events stand for follows goyaml.v2 in sigs.k8s.io/yaml, the
//! library that kubectl reads manifests with.

mod go_scalar;
mod relax;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};
use serde_json::Number;
use stridegate_shapes::{Content, Entry, Node, Span};

use self::go_scalar::{Scalar, Tag, float_key, resolve};
use self::relax::{Relaxed, has_old_breaks, relax};
use super::documents::{Members, check_size, too_deep};
use super::{Documents, Fault, MAX_DEPTH, json};

/// How many values all the aliases of a text may stand for, and how many bytes of strings.
///
/// goyaml tolerates about 400,000 values in a document. No manifest comes near this limit; the
/// texts that exceed it are made to exhaust memory.
const ALIASED_VALUES: usize = 100_000;
const ALIASED_BYTES: usize = 64 << 20;

/// Whose rules a text is read by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// kubectl: goyaml.v2, in which `yes` is a boolean and the last of equal keys wins.
    #[default]
    Kubectl,
    /// Compose: goyaml.v3, in which `yes` is a string, equal keys are an error, and what a map
    /// says itself outweighs what it merges, wherever the merge key stands.
    Compose,
}

/// Reads the documents of a text as kubectl does.
#[must_use]
pub fn read(text: &str) -> Documents {
    read_as(text, Dialect::Kubectl)
}

/// Reads the documents of a text by the rules of a dialect.
#[must_use]
pub fn read_as(text: &str, dialect: Dialect) -> Documents {
    if let Err(fault) = check_size(text) {
        return Documents::failed(fault);
    }
    if dialect == Dialect::Compose || !text.trim_start().starts_with('{') {
        return read_yaml(text, dialect);
    }
    // As kubectl does, for JSON allows what YAML forbids, such as pairs of surrogates.
    let json = json::read_all(text);
    if json.fault.is_none() {
        return json;
    }
    let yaml = read_yaml(text, dialect);
    if yaml.fault.is_some() && is_meant_as_json(text) {
        json
    } else {
        yaml
    }
}

fn is_meant_as_json(text: &str) -> bool {
    text.trim_start()
        .strip_prefix('{')
        .is_some_and(|rest| rest.trim_start().starts_with('"'))
}

fn read_yaml(text: &str, dialect: Dialect) -> Documents {
    let separator = (dialect == Dialect::Kubectl)
        .then(|| odd_separator(text))
        .flatten();
    let fault = forbidden(text)
        .into_iter()
        .chain(separator)
        .min_by_key(|fault| fault.at);
    let Some(fault) = fault else {
        return read_clean(text, dialect);
    };
    let clean = text.get(..fault.at).unwrap_or_default();
    let mut found = read_clean(clean, dialect);
    if found.fault.is_none() {
        // What was cut off may have belonged to the last document.
        found.documents.pop();
    }
    found.fault = Some(
        found
            .fault
            .filter(|earlier| earlier.at < last_line(clean))
            .unwrap_or(fault),
    );
    found
}

fn forbidden(text: &str) -> Option<Fault> {
    let is_harmless = |b: u8| matches!(b, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    if text.bytes().all(is_harmless) {
        return None;
    }
    let (at, c) = text.char_indices().find(|(_, c)| is_forbidden(*c))?;
    let code = u32::from(c);
    let message =
        format!("the control character U+{code:04X} may not stand in YAML; remove it or escape it");
    Some(Fault::new(at, message))
}

/// The first line that separates documents for kubectl, which splits a text before it parses the
/// documents, but not for YAML.
fn odd_separator(text: &str) -> Option<Fault> {
    let places = text.match_indices("\n---").map(|(at, _)| at + 1);
    let first = text.starts_with("---").then_some(0);
    let is_odd = |at: &usize| {
        let next = text.get(at + 3..).and_then(|rest| rest.chars().next());
        next.is_some_and(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'))
    };
    let at = first.into_iter().chain(places).find(is_odd)?;
    Some(Fault::new(
        at,
        "kubectl takes a line that starts with `---` for a separator; end the line there or indent it",
    ))
}

fn last_line(text: &str) -> usize {
    text.rfind(['\n', '\r']).map_or(0, |n| n + 1)
}

fn is_forbidden(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        c => c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}'),
    }
}

fn read_clean(text: &str, dialect: Dialect) -> Documents {
    let ended = with_final_break(text);
    let strict = (!has_old_breaks(&ended)).then(|| {
        let origin = Origin {
            relaxed: None,
            length: text.len(),
        };
        Composer::new(&ended, origin, dialect).read()
    });
    match strict {
        Some(found) if found.fault.is_none() => found,
        strict => relaxed(&ended, text.len(), dialect)
            .or(strict)
            .unwrap_or_default(),
    }
}

fn relaxed(text: &str, length: usize, dialect: Dialect) -> Option<Documents> {
    let relaxed = relax(text)?;
    let origin = Origin {
        relaxed: Some(&relaxed),
        length,
    };
    Some(Composer::new(&relaxed.text, origin, dialect).read())
}

/// The way from the text that is parsed back to the one that was given.
#[derive(Clone, Copy)]
struct Origin<'a> {
    relaxed: Option<&'a Relaxed>,
    /// The length of the given text, to which a line break may have been added.
    length: usize,
}

impl Origin<'_> {
    fn place(self, at: usize) -> usize {
        self.relaxed
            .map_or(at, |relaxed| relaxed.original(at))
            .min(self.length)
    }
}

/// kubectl ends every document with a line break, on which the value of a block scalar depends.
fn with_final_break(text: &str) -> Cow<'_, str> {
    if text.is_empty() || text.ends_with('\n') {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{text}\n"))
    }
}

/// A value as it is written, before tags, merge keys and aliases take effect.
struct Part {
    start: usize,
    end: usize,
    written: Written,
}

enum Written {
    Scalar {
        text: String,
        plain: bool,
        tag: Tag,
    },
    List(Vec<usize>),
    /// Keys and values in turn.
    Map(Vec<usize>),
    Alias(usize),
}

/// A list or map that is still being read.
struct Open {
    part: usize,
    children: Vec<usize>,
    is_map: bool,
    /// Whether the value stands in brackets.
    bracketed: bool,
}

struct Composer<'a> {
    text: &'a str,
    origin: Origin<'a>,
    dialect: Dialect,
    places: Places<'a>,
    parts: Vec<Part>,
    open: Vec<Open>,
    anchors: HashMap<usize, usize>,
    /// The byte after the last token that belongs to a value.
    cursor: usize,
    aliased: Aliased,
}

impl<'a> Composer<'a> {
    fn new(text: &'a str, origin: Origin<'a>, dialect: Dialect) -> Self {
        Self {
            text,
            origin,
            dialect,
            places: Places::new(text),
            parts: Vec::new(),
            open: Vec::new(),
            anchors: HashMap::new(),
            cursor: 0,
            aliased: Aliased::default(),
        }
    }

    fn read(mut self) -> Documents {
        let mut found = Documents::default();
        let mut parser = Parser::new_from_str(self.text);
        if let Err(mut fault) = self.documents(&mut parser, &mut found) {
            fault.at = self.origin.place(fault.at);
            found.fault = Some(fault);
        }
        found
    }

    fn documents(
        &mut self,
        parser: &mut Parser<'a, StrInput<'a>>,
        found: &mut Documents,
    ) -> Result<(), Fault> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.fault(&error))?;
            match event {
                Event::DocumentEnd => {
                    found.push(self.document()?);
                    self.cursor = self.places.byte(span.end);
                }
                Event::DocumentStart(true) => self.cursor = self.places.byte(span.end),
                event => self.event(event, span)?,
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'a>, span: saphyr_parser::Span) -> Result<(), Fault> {
        let (start, end) = (self.places.byte(span.start), self.places.byte(span.end));
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map_or(Tag::None, |tag| {
                    Tag::named(&format!("{}{}", tag.handle, tag.suffix))
                });
                let plain = style == ScalarStyle::Plain;
                let described = anchor > 0 || tag != Tag::None;
                let (start, end) = match style {
                    ScalarStyle::Plain if text.is_empty() && described => (end, end),
                    ScalarStyle::Plain if text.is_empty() => self.nothing(),
                    ScalarStyle::Plain => (self.described(start, described), end),
                    ScalarStyle::Literal | ScalarStyle::Folded => self.block_scalar(end),
                    _ => self.quoted(self.described(start, described)),
                };
                self.add(
                    Part {
                        start,
                        end,
                        written: Written::Scalar {
                            text: text.into_owned(),
                            plain,
                            tag,
                        },
                    },
                    anchor,
                );
                self.cursor = end;
            }
            Event::Alias(anchor) => {
                let written = Written::Alias(self.anchored(anchor, start)?);
                self.add(
                    Part {
                        start,
                        end,
                        written,
                    },
                    0,
                );
                self.cursor = end;
            }
            Event::SequenceStart(anchor, tag) => self.begin(false, start, anchor, tag.is_some())?,
            Event::MappingStart(anchor, tag) => self.begin(true, start, anchor, tag.is_some())?,
            Event::SequenceEnd | Event::MappingEnd => self.finish(start),
            _ => {}
        }
        Ok(())
    }

    fn begin(
        &mut self,
        is_map: bool,
        start: usize,
        anchor: usize,
        tagged: bool,
    ) -> Result<(), Fault> {
        let described = anchor > 0 || tagged;
        let start = if self.expects_value() {
            self.lead(self.cursor, b":")
        } else {
            self.described(start, described)
        };
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(start));
        }
        let bracketed = self.text.as_bytes().get(start) == Some(if is_map { &b'{' } else { &b'[' });
        let written = Written::List(Vec::new());
        let part = self.add(
            Part {
                start,
                end: start,
                written,
            },
            anchor,
        );
        self.open.push(Open {
            part,
            children: Vec::new(),
            is_map,
            bracketed,
        });
        self.cursor = start + usize::from(bracketed);
        Ok(())
    }

    fn finish(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        let closing = if open.is_map { b'}' } else { b']' };
        let bracketed = open.bracketed && self.text.as_bytes().get(end) == Some(&closing);
        let inner = |part: &Part| (part.start, part.end);
        let first = open
            .children
            .first()
            .and_then(|child| self.parts.get(*child))
            .map(inner);
        let last = open
            .children
            .last()
            .and_then(|child| self.parts.get(*child))
            .map(inner);
        if let Some(part) = self.parts.get_mut(open.part) {
            // The first key of a map in block style may start before the place that the event
            // names, and never after it.
            if open.is_map && !bracketed {
                part.start = first.map_or(part.start, |(start, _)| start);
            }
            part.end = if bracketed {
                end + 1
            } else {
                last.map_or(part.start, |(_, end)| end)
            };
            part.written = if open.is_map {
                Written::Map(open.children)
            } else {
                Written::List(open.children)
            };
            self.cursor = part.end;
        }
    }

    fn add(&mut self, part: Part, anchor: usize) -> usize {
        let index = self.parts.len();
        self.parts.push(part);
        if anchor > 0 {
            self.anchors.insert(anchor, index);
        }
        if let Some(open) = self.open.last_mut() {
            open.children.push(index);
        }
        index
    }

    fn anchored(&self, anchor: usize, at: usize) -> Result<usize, Fault> {
        let Some(part) = self.anchors.get(&anchor).copied() else {
            return Err(unknown_anchor(at));
        };
        if self.open.iter().any(|open| open.part == part) {
            return Err(Fault::new(
                at,
                "the alias stands within the value of its own anchor; write the value out",
            ));
        }
        Ok(part)
    }

    fn expects_value(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| open.is_map && open.children.len() % 2 == 1)
    }

    fn document(&mut self) -> Result<Node, Fault> {
        let mut decoder = Decoder {
            parts: &self.parts,
            origin: self.origin,
            dialect: self.dialect,
            aliased: &mut self.aliased,
            aliases: 0,
        };
        let node = decoder.node(0, 0)?;
        self.parts.clear();
        self.anchors.clear();
        Ok(node)
    }

    /// The place of a value that is not written: after its colon, or after its dash.
    fn nothing(&self) -> (usize, usize) {
        let lead = self.lead(self.cursor, b"");
        let sign = self.text.as_bytes().get(lead);
        let wanted = match self.open.last() {
            Some(open) if open.is_map && open.children.len() % 2 == 1 => b':',
            Some(open) if open.is_map => b'?',
            _ => b'-',
        };
        let blank = self
            .text
            .as_bytes()
            .get(lead + 1)
            .is_none_or(|b| b.is_ascii_whitespace() || is_closing(*b));
        let place = if sign == Some(&wanted) && blank {
            lead + 1
        } else {
            self.cursor
        };
        (place, place)
    }

    /// Where a value starts whose anchor or tag, if it is described by one, starts here.
    fn described(&self, start: usize, described: bool) -> usize {
        if described {
            self.lead(start, b"")
        } else {
            start
        }
    }

    fn quoted(&self, start: usize) -> (usize, usize) {
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let quote = rest.first().copied().unwrap_or(b'"');
        let mut at = 1;
        while let Some(byte) = rest.get(at) {
            match *byte {
                b'\\' if quote == b'"' => at += 2,
                b'\'' if quote == b'\'' && rest.get(at + 1) == Some(&b'\'') => at += 2,
                byte if byte == quote => return (start, start + at + 1),
                _ => at += 1,
            }
        }
        (start, self.text.len())
    }

    /// From the indicator to the end of the last line that is not blank.
    fn block_scalar(&self, end: usize) -> (usize, usize) {
        let start = self.lead(self.cursor, b":-?");
        let mut text = self.text.get(start..end).unwrap_or_default();
        while let Some((lines, last)) = text.rsplit_once('\n') {
            if !last.trim_matches([' ', '\r']).is_empty() {
                break;
            }
            text = lines;
        }
        (start, start + text.trim_end_matches('\r').len())
    }

    /// Skips white space, comments, anchors, tags and some signs.
    fn lead(&self, from: usize, signs: &[u8]) -> usize {
        let bytes = self.text.as_bytes();
        let find = |from: usize, wanted: fn(&u8) -> bool| {
            bytes
                .iter()
                .skip(from)
                .position(wanted)
                .map_or(bytes.len(), |n| from + n)
        };
        let mut at = from;
        while let Some(byte) = bytes.get(at) {
            at = match byte {
                b' ' | b'\t' | b'\n' | b'\r' => at + 1,
                b'#' => find(at, |b| matches!(b, b'\n' | b'\r')),
                b'&' | b'!' => find(at, u8::is_ascii_whitespace),
                0xEF if bytes
                    .get(at..)
                    .is_some_and(|rest| rest.starts_with("\u{FEFF}".as_bytes())) =>
                {
                    at + 3
                }
                sign if signs.contains(sign) => at + 1,
                _ => break,
            };
        }
        at
    }

    fn fault(&self, error: &ScanError) -> Fault {
        Fault::new(self.places.byte(*error.marker()), explained(error.info()))
    }
}

fn is_closing(byte: u8) -> bool {
    matches!(byte, b',' | b']' | b'}')
}

fn unknown_anchor(at: usize) -> Fault {
    Fault::new(
        at,
        "the alias names an anchor that this document does not set before; set it with `&`",
    )
}

/// Finds the byte at which a character stands, for saphyr counts characters.
struct Places<'a> {
    text: &'a str,
    /// The offset of each 16th character; none if all characters are one byte long.
    marks: Vec<usize>,
}

const STEP: usize = 16;

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        let ascii = text.is_ascii();
        let marks = if ascii {
            Vec::new()
        } else {
            text.char_indices()
                .step_by(STEP)
                .map(|(at, _)| at)
                .collect()
        };
        Self { text, marks }
    }

    fn byte(&self, marker: Marker) -> usize {
        let index = marker.index();
        if self.marks.is_empty() {
            return index.min(self.text.len());
        }
        let rest = self
            .marks
            .get(index / STEP)
            .and_then(|mark| self.text.get(*mark..).map(|rest| (*mark, rest)));
        rest.and_then(|(mark, rest)| rest.char_indices().nth(index % STEP).map(|(n, _)| mark + n))
            .unwrap_or(self.text.len())
    }
}

/// What aliases have stood for so far.
#[derive(Default)]
struct Aliased {
    values: usize,
    bytes: usize,
}

struct Decoder<'a> {
    parts: &'a [Part],
    origin: Origin<'a>,
    dialect: Dialect,
    aliased: &'a mut Aliased,
    /// How many aliases lead to the current value.
    aliases: usize,
}

impl<'a> Decoder<'a> {
    fn node(&mut self, index: usize, depth: usize) -> Result<Node, Fault> {
        let part = self.part(index)?;
        let content = match &part.written {
            Written::Alias(target) => return self.aliased(|decoder| decoder.node(*target, depth)),
            Written::Scalar { .. } => self.scalar(part)?,
            Written::List(items) => {
                let depth = deeper(part, depth)?;
                Content::List(
                    items
                        .iter()
                        .map(|item| self.node(*item, depth))
                        .collect::<Result<_, _>>()?,
                )
            }
            Written::Map(members) => {
                let mut found = Members::default();
                self.merged(part, members, &mut found, depth)?;
                Content::Map(found.into_entries().into())
            }
        };
        Ok(Node {
            span: self.span(part),
            content,
        })
    }

    fn part(&mut self, index: usize) -> Result<&'a Part, Fault> {
        let part = self
            .parts
            .get(index)
            .ok_or_else(|| Fault::new(0, "the document holds nothing"))?;
        if self.aliases > 0 {
            self.count(part)?;
        }
        Ok(part)
    }

    fn count(&mut self, part: &Part) -> Result<(), Fault> {
        self.aliased.values += 1;
        if let Written::Scalar { text, .. } = &part.written {
            self.aliased.bytes += text.len();
        }
        if self.aliased.values > ALIASED_VALUES || self.aliased.bytes > ALIASED_BYTES {
            let limit = format!(
                "{ALIASED_VALUES} values or {} MiB of text",
                ALIASED_BYTES >> 20
            );
            return Err(Fault::new(
                part.start,
                format!("aliases repeat more than {limit}; write fewer aliases"),
            ));
        }
        Ok(())
    }

    fn aliased<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.aliases += 1;
        let found = read(self);
        self.aliases -= 1;
        found
    }

    /// Adds the members of a map in the order in which they are written. As in goyaml.v2, what a
    /// merge key brings replaces what stands before it and yields to what stands after it.
    fn members(
        &mut self,
        part: &Part,
        members: &[usize],
        found: &mut Members,
        depth: usize,
    ) -> Result<(), Fault> {
        let depth = deeper(part, depth)?;
        for member in members.chunks_exact(2) {
            let [key, value] = *member else { continue };
            let key = self.part(key)?;
            if is_merge(key) {
                self.merge(value, found, depth)?;
            } else {
                let entry = Entry {
                    key: self.key(key)?,
                    key_span: self.key_span(key),
                    value: self.node(value, depth)?,
                };
                found.insert(entry);
            }
        }
        Ok(())
    }

    /// Adds the members of a map as goyaml.v3 does: what its merge key brings yields to what it
    /// says itself, and no key may stand twice.
    fn own_members(
        &mut self,
        part: &Part,
        members: &[usize],
        found: &mut Members,
        depth: usize,
    ) -> Result<(), Fault> {
        let inner = deeper(part, depth)?;
        let mut own = HashSet::new();
        let mut merges = 0;
        for member in members.chunks_exact(2) {
            let [key, value] = *member else { continue };
            let key = self.part(key)?;
            if is_merge(key) {
                merges += 1;
                if merges > 1 {
                    return Err(twice(key, "<<"));
                }
                self.merge(value, found, inner)?;
            }
        }
        for member in members.chunks_exact(2) {
            let [key, value] = *member else { continue };
            let key = self.part(key)?;
            if is_merge(key) {
                continue;
            }
            let entry = Entry {
                key: self.key(key)?,
                key_span: self.key_span(key),
                value: self.node(value, inner)?,
            };
            if !own.insert(entry.key.clone()) {
                return Err(twice(key, &entry.key));
            }
            found.insert(entry);
        }
        Ok(())
    }

    fn merge(&mut self, index: usize, found: &mut Members, depth: usize) -> Result<(), Fault> {
        let part = self.part(index)?;
        match &part.written {
            Written::List(sources) => sources.iter().rev().try_for_each(|source| {
                let source = self.part(*source)?;
                self.merge_map(source, found, depth)
            }),
            _ => self.merge_map(part, found, depth),
        }
    }

    fn merge_map(&mut self, source: &Part, found: &mut Members, depth: usize) -> Result<(), Fault> {
        match &source.written {
            Written::Map(members) => self.merged(source, members, found, depth),
            Written::Alias(target) => self.aliased(|decoder| {
                let target = decoder.part(*target)?;
                match &target.written {
                    Written::Map(members) => decoder.merged(target, members, found, depth),
                    _ => Err(not_a_map(source)),
                }
            }),
            _ => Err(not_a_map(source)),
        }
    }

    fn merged(
        &mut self,
        part: &Part,
        members: &[usize],
        found: &mut Members,
        depth: usize,
    ) -> Result<(), Fault> {
        match self.dialect {
            Dialect::Kubectl => self.members(part, members, found, depth),
            Dialect::Compose => self.own_members(part, members, found, depth),
        }
    }

    fn key(&mut self, part: &Part) -> Result<String, Fault> {
        let refuse = |what| {
            Err(Fault::new(
                part.start,
                format!("{what} cannot be a key; quote it to make it a string"),
            ))
        };
        let (text, plain, tag) = match &part.written {
            Written::Scalar { text, plain, tag } => (text, *plain, *tag),
            Written::Alias(target) => {
                return self.aliased(|decoder| {
                    let target = decoder.part(*target)?;
                    decoder.key(target)
                });
            }
            Written::List(_) => return refuse("a list"),
            Written::Map(_) => return refuse("a map"),
        };
        if !plain && tag == Tag::None {
            return Ok(text.clone());
        }
        match resolve(text, tag, self.dialect).map_err(|message| Fault::new(part.start, message))? {
            Scalar::Null => refuse("null"),
            Scalar::Uint(_) => refuse("an integer of more than 63 bits"),
            Scalar::Bool(value) => Ok(value.to_string()),
            Scalar::Int(value) => Ok(value.to_string()),
            Scalar::Float(value) => Ok(float_key(value)),
            Scalar::Text(text) => Ok(text),
        }
    }

    fn scalar(&self, part: &Part) -> Result<Content, Fault> {
        let Written::Scalar { text, plain, tag } = &part.written else {
            return Ok(Content::Null);
        };
        if !plain && *tag == Tag::None {
            return Ok(Content::String(text.clone()));
        }
        let value = match resolve(text, *tag, self.dialect)
            .map_err(|message| Fault::new(part.start, message))?
        {
            Scalar::Null => Content::Null,
            Scalar::Bool(value) => Content::Bool(value),
            Scalar::Int(value) => Content::Number(value.into()),
            Scalar::Uint(value) => Content::Number(value.into()),
            Scalar::Float(value) => Content::Number(number(value).ok_or_else(|| {
                Fault::new(
                    part.start,
                    "infinity and NaN have no place in JSON; quote the value to make it a string",
                )
            })?),
            Scalar::Text(text) => Content::String(text),
        };
        Ok(value)
    }

    fn key_span(&self, part: &Part) -> Span {
        match &part.written {
            Written::Alias(target) => self
                .parts
                .get(*target)
                .map_or(Span::default(), |target| self.span(target)),
            _ => self.span(part),
        }
    }

    fn span(&self, part: &Part) -> Span {
        Span::new(self.origin.place(part.start), self.origin.place(part.end))
    }
}

fn twice(key: &Part, name: &str) -> Fault {
    Fault::new(
        key.start,
        format!("the key {name} stands twice in this map, and Compose refuses that; keep one"),
    )
}

fn deeper(part: &Part, depth: usize) -> Result<usize, Fault> {
    if depth >= MAX_DEPTH {
        Err(too_deep(part.start))
    } else {
        Ok(depth + 1)
    }
}

fn is_merge(key: &Part) -> bool {
    match &key.written {
        Written::Scalar { text, plain, tag } if text == "<<" => match tag {
            Tag::None => *plain,
            Tag::Bare | Tag::Merge => true,
            _ => false,
        },
        _ => false,
    }
}

fn not_a_map(source: &Part) -> Fault {
    Fault::new(
        source.start,
        "`<<` merges a map, an alias of a map, or a list of these; give it one",
    )
}

/// A float as kubectl's way over JSON text leaves it: whole numbers become integers.
fn number(value: f64) -> Option<Number> {
    if value.fract() == 0.0 && value.abs() < 1e20 {
        let digits = value.to_string();
        let integer = digits
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| digits.parse::<u64>().map(Number::from));
        if let Ok(integer) = integer {
            return Some(integer);
        }
    }
    Number::from_f64(value)
}

/// Parts of the parser's messages, and what to say instead; the first part that fits counts.
const WORDS: &[(&str, &str)] = &[
    (
        "illegal placement of ':'",
        "a bracket is not closed before this line; close it with `}` or `]`",
    ),
    (
        "unknown anchor",
        "the alias names an anchor that this document does not set before; set it with `&`",
    ),
    (
        "recursion limit",
        "nested deeper than 100 levels; flatten the document",
    ),
    (
        "tab",
        "a tab stands where YAML wants spaces; indent with spaces",
    ),
    (
        "':' must be followed",
        "a tab stands after the colon; use a space",
    ),
    (
        "simple key expect",
        "expected `key: value`; add the colon after the key, or indent the line to continue a value",
    ),
    (
        "mapping values are not allowed",
        "a second `: ` in one line, or a wrong indentation; quote the value or correct the indentation",
    ),
    (
        "mapping keys are not allowed",
        "`? ` starts a key where none can stand; quote the value",
    ),
    (
        "block sequence entries are not allowed",
        "`- ` starts a list item where none can stand; put it on its own line",
    ),
    (
        "did not find expected key",
        "expected a key of the map; check the indentation of this line and of the lines before it",
    ),
    (
        "did not find expected '-'",
        "expected another `- ` of the list; check the indentation",
    ),
    (
        "',' or '}'",
        "expected `,` or `}`; close the map that `{` opens, or quote the value if it contains `{`",
    ),
    (
        "',' or ']'",
        "expected `,` or `]`; close the list that `[` opens, or quote the value if it contains `[`",
    ),
    (
        "unexpected end of stream",
        "the string has no closing quote; add it",
    ),
    (
        "document indicator",
        "a document marker stands within a quoted string; close the quotes before it",
    ),
    (
        "unknown escape",
        "unknown escape in a double-quoted string; double the backslash or use single quotes",
    ),
    (
        "hexadecimal",
        "the escape in the string lacks hexadecimal digits; complete it",
    ),
    (
        "Unicode character escape",
        "the escape in the string names no Unicode character; write the character itself",
    ),
    (
        "invalid trailing content",
        "text follows the closing quote; quote the whole value, or escape the quotes in it",
    ),
    (
        "misplaced bracket",
        "a closing bracket without an opening one; remove it or quote the value",
    ),
    (
        "unexpected character",
        "a plain value cannot start with this character; quote the value",
    ),
    (
        "indentation indicator equal to 0",
        "the indentation of a block scalar cannot be 0; use 1 to 9 or leave it out",
    ),
    (
        "did not find expected comment or line break",
        "text follows the header on its line; move it to the next line",
    ),
    (
        "wrongly indented line in block scalar",
        "the line is indented less than the first line of its block scalar; align them",
    ),
    (
        "indentation",
        "the indentation fits no level above; align the line with its siblings",
    ),
    (
        "<document start>",
        "expected the end of the document; separate documents with a line `---`",
    ),
    (
        "byte order mark",
        "a byte order mark within a document; remove it",
    ),
    (
        "handle wasn't declared",
        "the tag's handle is not declared; declare it with `%TAG` or remove the tag",
    ),
    (
        "anchor or alias",
        "expected a name after `&` or `*`; quote the value if it is a string",
    ),
    (
        "expected node content",
        "expected a value; remove the extra `,` or write a value",
    ),
    (
        "comment",
        "a comment interrupts a value of several lines; move the comment",
    ),
    (
        "directive",
        "the `%` directive is not valid; remove it or quote the value",
    ),
];

/// The parser's words in plain ones.
fn explained(info: &str) -> String {
    let known = WORDS.iter().find(|(part, _)| info.contains(part));
    known.map_or_else(
        || format!("not valid YAML: {info}; correct or quote the value"),
        |(_, words)| (*words).to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn documents(text: &str) -> Vec<Node> {
        let found = read(text);
        assert_eq!(found.fault, None, "{text}");
        found.documents
    }

    fn document(text: &str) -> Node {
        let mut found = documents(text);
        assert_eq!(found.len(), 1, "{text}");
        found.remove(0)
    }

    fn value(text: &str) -> Value {
        serde_json::to_value(document(text)).unwrap()
    }

    fn fault(text: &str) -> (usize, String) {
        let fault = read(text)
            .fault
            .unwrap_or_else(|| panic!("no fault in {text:?}"));
        assert!(text.is_char_boundary(fault.at) && !fault.message.contains('\n'));
        (fault.at, fault.message)
    }

    fn written<'a>(text: &'a str, tree: &Node, pointer: &str) -> (&'a str, &'a str) {
        let found = tree.at(pointer).unwrap();
        (
            found.key.map_or("", |key| &text[key.range()]),
            &text[found.node.span.range()],
        )
    }

    #[test]
    fn scalars_are_what_kubectl_takes_them_for() {
        let text = "a: yes\nb: 0644\nc: 1e3\nd: 2001-01-01\ne: 'no'\nf: |\n  1\ng: ~\nh: !!str 1\ni: !!int \"3\"\nj: 1.5\n\
                    k: 18446744073709551615\nl: ! 3\nm: !x 3\nu: <<\no: -0.0\np: 1.0\nq: !!binary aGk=\nr: !!str\n";
        let expected = json!({"a": true, "b": 420, "c": 1000, "d": "2001-01-01", "e": "no", "f": "1\n", "g": null,
            "h": "1", "i": 3, "j": 1.5, "k": u64::MAX, "l": "3", "m": "3", "u": "<<", "o": 0, "p": 1, "q": "hi", "r": ""});
        assert_eq!(value(text), expected);
    }

    #[test]
    fn what_json_cannot_hold_is_a_fault() {
        assert_eq!(fault("a: .inf\n").0, 3);
        assert_eq!(fault("a: [.nan]\n").0, 4);
        assert!(fault("a: !!int x\n").1.contains("!!int"));
    }

    #[test]
    fn keys_become_strings() {
        assert_eq!(
            value("1: a\nyes: b\n1.5: c\n0x10: d\n1e6: e\n!!str 2: f\n'x': g\n"),
            json!({"1": "a", "true": "b", "1.5": "c", "16": "d", "1e+06": "e", "2": "f", "x": "g"})
        );
        for (text, at) in [
            ("~: a\n", 0),
            ("a: 1\n? [b]\n: c\n", 7),
            ("{a: b}: c\n", 0),
            ("18446744073709551615: a\n", 0),
        ] {
            let (found, message) = fault(text);
            assert!(
                found == at && message.contains("cannot be a key"),
                "{text}: {found} {message}"
            );
        }
    }

    #[test]
    fn the_last_of_equal_keys_wins_with_its_place() {
        let text = "a: 1\nb: 2\n\"a\": 3\n";
        let tree = document(text);
        assert_eq!(serde_json::to_string(&tree).unwrap(), r#"{"a":3,"b":2}"#);
        assert_eq!(written(text, &tree, "/a"), ("\"a\"", "3"));
    }

    #[test]
    fn aliases_stand_for_the_text_of_their_anchor() {
        let text = "a: &x {b: [1]}\nc: *x\nd: &k e\n*k : *x\nf: [*x]\n";
        let tree = document(text);
        assert_eq!(tree.get("c"), tree.get("a"));
        assert_eq!(tree.get("e"), tree.get("a"));
        assert_eq!(written(text, &tree, "/a").1, "{b: [1]}");
        assert_eq!(written(text, &tree, "/e").0, "e");
        assert_eq!(text[tree.get("f").unwrap().span.range()], *"[*x]");
    }

    #[test]
    fn anchors_belong_to_their_document_and_do_not_hold_themselves() {
        assert_eq!(fault("a: *x\n").0, 3);
        let found = read("a: &x 1\n---\nb: *x\n");
        assert_eq!(
            (found.documents.len(), found.fault.map(|fault| fault.at)),
            (1, Some(15))
        );
        assert!(fault("a: &x [*x]\n").1.contains("its own anchor"));
        assert_eq!(value("a: &x 1\nb: &x 2\nc: *x\n")["c"], 2);
    }

    #[test]
    fn merge_keys_follow_the_order_as_in_goyaml() {
        let anchors = "x: &x {a: 1, b: 2}\ny: &z {a: 3, c: 4}\n";
        let merged = |map: &str| value(&format!("{anchors}v: {map}\n"))["v"].clone();
        assert_eq!(merged("{a: 0, <<: *x, b: 9}"), json!({"a": 1, "b": 9}));
        assert_eq!(merged("{<<: [*x, *z]}"), json!({"a": 1, "b": 2, "c": 4}));
        assert_eq!(merged("{<<: {a: 5}, <<: *z}"), json!({"a": 3, "c": 4}));
        assert_eq!(merged("{\"<<\": 1}"), json!({"<<": 1}));
        assert_eq!(merged("{!!merge <<: *x}"), json!({"a": 1, "b": 2}));
        for wrong in [
            "v: {<<: 1}",
            "v: {<<: null}",
            "v: {<<: [1]}",
            "a: &a [1]\nv: {<<: *a}",
            "a: &a [1]\nv: {<<: [*a]}",
        ] {
            assert!(fault(wrong).1.contains("merges a map"), "{wrong}");
        }
    }

    #[test]
    fn alias_bombs_are_refused_quickly() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..30 {
            let names = vec![format!("*a{}", n - 1); 10].join(", ");
            text.extend([format!("a{n}: &a{n} [{names}]\n")]);
        }
        assert!(fault(&text).1.contains("aliases repeat more than"));
        let mut text = String::from("a0: &a0 {x: x}\n");
        for n in 1..60 {
            text.extend([format!(
                "a{n}: &a{n} {{<<: [*a{0}, *a{0}, *a{0}]}}\n",
                n - 1
            )]);
        }
        assert!(fault(&text).1.contains("aliases repeat more than"));
        let long = format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(1 << 20),
            "*a,".repeat(100)
        );
        assert!(fault(&long).1.contains("aliases repeat more than"));
        let chain: String = (1..150)
            .map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1))
            .collect::<Vec<_>>()
            .concat();
        assert!(
            fault(&format!("a0: &a0 x\n{chain}"))
                .1
                .contains("nested deeper")
        );
    }

    #[test]
    fn documents_are_told_apart() {
        assert_eq!(
            documents("a: 1\n---\nb: 2\n...\n---\n# none\n---\n--- 3\n--- ~\n---\n\"\"\n").len(),
            4
        );
        assert_eq!(documents("%YAML 1.1\n---\na: 1\n").len(), 1);
        assert_eq!(documents("\u{FEFF}# c\na: 1\n").len(), 1);
        assert_eq!(documents("a: 1\n\u{FEFF}---\nb: 2\n").len(), 2);
        let marked = documents("a: 1\n---\n\u{FEFF}b: 2\nc: 3\n");
        assert!(marked[1].get("c").is_some());
        assert_eq!(read("# only a comment\n"), Documents::default());
        assert_eq!(read(""), Documents::default());
        assert_eq!(documents("{\"a\":1}\n{\"b\":2}").len(), 2);
        let found = read("a: 1\n---\nb: [\n");
        assert_eq!((found.documents.len(), found.fault.is_some()), (1, true));
    }

    #[test]
    fn line_breaks_are_normalized() {
        assert_eq!(
            value(
                "a: |\r\n  x\r\n  y\r\nb: \"p\r\n  q\"\r\nc: s\r\n  t\r\nd: >-\r\n  u\r\n  v\r\n"
            ),
            json!({"a": "x\ny\n", "b": "p q", "c": "s t", "d": "u v"})
        );
        assert_eq!(value("a: b\rc: d\r"), json!({"a": "b", "c": "d"}));
        assert_eq!(value("a: b # c\u{2028}d: e\n"), json!({"a": "b", "d": "e"}));
        assert_eq!(value("a: \"b\u{2028}c\"\n"), json!({"a": "b\u{2028}c"}));
    }

    #[test]
    fn block_scalars_have_all_their_forms() {
        let text = "a: |+\n  x\n\n\nb: >-\n  x\n  y\n\n  z\nc: |2-\n   x\n  y\nd: |\n\n  x\n   y\ne: >\n  x\n   y\n  z\nf: |-\n";
        assert_eq!(
            value(text),
            json!({"a": "x\n\n\n", "b": "x y\nz", "c": " x\ny", "d": "\nx\n y\n", "e": "x\n y\nz\n", "f": ""})
        );
        assert_eq!(value("|\n  x"), json!("x\n"));
        assert_eq!(value("a: |\n  x\n    "), json!({"a": "x\n  \n"}));
        assert!(fault("a: |\n\tx\n").1.contains("tab"));
    }

    #[test]
    fn flow_style_is_as_loose_as_in_goyaml() {
        let cases = [
            ("a:\n  b: {\n  c: 1\n}\n", json!({"a": {"b": {"c": 1}}})),
            ("a:\n  - [\n1,\n\t2\n]\n", json!({"a": [[1, 2]]})),
            ("a: {\n\t\"b\":\t1\n}\n", json!({"a": {"b": 1}})),
            ("{\n\t\"a\": 1\n}\n", json!({"a": 1})),
            ("a:\tb\n", json!({"a": "b"})),
            ("a: \"b\"#c\n", json!({"a": "b"})),
            ("a: [b]#c\n", json!({"a": ["b"]})),
            ("a: [-]\n", json!({"a": ["-"]})),
            ("a:\n  b: \"x\ny\"\n", json!({"a": {"b": "x y"}})),
            (
                "a: [b: c, \"d\":1, e]\n",
                json!({"a": [{"b": "c"}, {"d": 1}, "e"]}),
            ),
            ("a: {b, c: }\n", json!({"a": {"b": null, "c": null}})),
        ];
        for (text, expected) in cases {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn spans_cover_what_is_written() {
        let text = "é: # c\n- \"ü\" # d\n- 'x'\n-\n- k: |2 # e\n     ß\n\n    l: >-\n     f\n# g\nm: &a !t p\n  q # h\nnn:\no: &b {r: [s,\n t], u} # i\n\
                    v: !!map\n  w: x\n\ny y: [z: 1]\n";
        let tree = document(text);
        let cases = [
            (
                "/é",
                "é",
                "- \"ü\" # d\n- 'x'\n-\n- k: |2 # e\n     ß\n\n    l: >-\n     f",
            ),
            ("/é/0", "", "\"ü\""),
            ("/é/1", "", "'x'"),
            ("/é/2", "", ""),
            ("/é/3", "", "k: |2 # e\n     ß\n\n    l: >-\n     f"),
            ("/m", "m", "p\n  q"),
            ("/nn", "nn", ""),
            ("/o", "o", "{r: [s,\n t], u}"),
            ("/o/r", "r", "[s,\n t]"),
            ("/o/r/1", "", "t"),
            ("/o/u", "u", ""),
            ("/v", "v", "w: x"),
            ("/y y", "y y", "[z: 1]"),
            ("/y y/0", "", "z: 1"),
        ];
        for (pointer, key, own) in cases {
            assert_eq!(written(text, &tree, pointer), (key, own), "{pointer}");
        }
        assert_eq!(
            tree.get("nn").unwrap().span.start as usize,
            text.find("nn:\n").unwrap() + 3
        );
        assert_eq!(
            tree.at("/é/2").unwrap().node.span.start as usize,
            text.find("-\n").unwrap() + 1
        );
    }

    #[test]
    fn spans_of_block_scalars_start_at_their_sign() {
        let text = "a | b: |  # | c\n\n  x\n  y\n\n\n";
        let tree = document(text);
        assert_eq!(
            written(text, &tree, "/a | b"),
            ("a | b", "|  # | c\n\n  x\n  y")
        );
        let text = "- - >\n   x\n- &a !!str |-\n  y\n-\n  |\n  z\n";
        let tree = document(text);
        assert_eq!(written(text, &tree, "/0").1, "- >\n   x");
        assert_eq!(written(text, &tree, "/0/0").1, ">\n   x");
        assert_eq!(written(text, &tree, "/1").1, "|-\n  y");
        assert_eq!(written(text, &tree, "/2").1, "|\n  z");
    }

    #[test]
    fn spans_lead_to_the_original_of_a_relaxed_text() {
        let text = "a: \"é\"#c\nb:\tx\nc: [\n\"d\"\n]\ne: \u{2028}f: g\n";
        let tree = document(text);
        for (pointer, key, own) in [
            ("/a", "a", "\"é\""),
            ("/b", "b", "x"),
            ("/c", "c", "[\n\"d\"\n]"),
            ("/c/0", "", "\"d\""),
            ("/f", "f", "g"),
        ] {
            assert_eq!(written(text, &tree, pointer), (key, own));
        }
    }

    #[test]
    fn depth_is_limited() {
        let flow = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(documents(&flow(MAX_DEPTH)).len(), 1);
        for text in [
            flow(MAX_DEPTH + 1),
            "[".repeat(10_000),
            "[".repeat(1_000_000),
            "- ".repeat(1_000_000),
            "{a: ".repeat(1_000_000),
            "{\"a\":".repeat(1_000_000),
            "? ".repeat(1_000_000),
            (0..3_000)
                .map(|n| format!("{}a:\n", " ".repeat(n)))
                .collect::<Vec<_>>()
                .concat(),
            format!("a: {}", flow(200)),
        ] {
            let (_, message) = fault(&text);
            assert!(
                message.contains("nested deeper than 100 levels"),
                "{} {message}",
                &text[..20]
            );
        }
    }

    #[test]
    fn a_line_that_only_kubectl_takes_for_a_separator_is_refused() {
        let found = read("a: 1\n---\nb: 2\n---#c\nd: 3\n");
        assert_eq!(
            (found.documents.len(), found.fault.map(|fault| fault.at)),
            (1, Some(14))
        );
        assert_eq!(fault("---- x\n").0, 0);
        assert_eq!(
            documents("---\t\na: |\n  ---x\n--- # c\nb: 1\n---").len(),
            2
        );
    }

    #[test]
    fn control_characters_are_refused_where_they_stand() {
        let found = read("a: 1\n---\nb: \u{1}2\n");
        assert_eq!(
            (found.documents.len(), found.fault.map(|fault| fault.at)),
            (1, Some(12))
        );
        assert_eq!(fault("\0").0, 0);
        assert_eq!(fault("a: \u{9b}\n").0, 3);
    }

    #[test]
    fn faults_tell_the_place_and_what_to_do() {
        let cases = [
            ("a: b: c\n", 4, "quote the value"),
            ("a: \"b\n", 3, "no closing quote"),
            ("a: [b\nc: d\n", 7, "not closed before this line"),
            ("a: @b\n", 3, "cannot start with this character"),
            ("a: %b\n", 3, "cannot start with this character"),
            ("a: 'b'c\n", 6, "text follows the closing quote"),
            ("a: \"\\q\"\n", 3, "unknown escape"),
            ("a: ]\n", 3, "without an opening one"),
            ("a:\n  b: 1\n c: 2\n", 11, "indentation"),
            ("a: - b\n", 3, "on its own line"),
            ("a: b\nc\nd: e\n", 0, "add the colon"),
            ("a:\n\tb: 1\n", 0, "indent with spaces"),
        ];
        for (text, at, words) in cases {
            let (found, message) = fault(text);
            assert!(
                message.contains(words) && (at == 0 || found == at),
                "{text:?}: {found} {message}"
            );
        }
    }

    #[test]
    fn large_texts_take_linear_time() {
        let manifest = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: ä\nspec:\n  containers:\n  - name: x\n    args: [\"a\", b]\n---\n";
        let many = manifest.repeat(5_000_000 / manifest.len());
        assert_eq!(documents(&many).len(), 5_000_000 / manifest.len());
        for long in [
            format!("a: {}\n", "x".repeat(5_000_000)),
            format!("a: \"{}\"\n", "x ".repeat(2_500_000)),
            format!("a: |\n{}", "  x\n".repeat(1_250_000)),
            format!("a: \"{}\"\n", "x\n".repeat(1_000_000)),
            format!("a: [\n{}]\n", "1,\n".repeat(200_000)),
            (0..200_000)
                .map(|n| format!("k{n}: {n}\n"))
                .collect::<Vec<_>>()
                .concat(),
            (0..200_000)
                .map(|n| format!("- &a{n} {n}\n"))
                .collect::<Vec<_>>()
                .concat(),
            (0..50_000)
                .map(|n| format!("- &a{n} {n}\n- *a{n}\n"))
                .collect::<Vec<_>>()
                .concat(),
        ] {
            assert_eq!(documents(&long).len(), 1);
        }
        assert!(read(&"\u{2028}".repeat(500_000)).documents.is_empty());
        fault(&format!(
            "{}a: [{}",
            " ".repeat(1_000),
            "\n1,".repeat(1_000_000)
        ));
        fault(&"a: \"\n".repeat(99_999));
    }

    #[test]
    fn compose_reads_words_merges_and_equal_keys_in_its_own_way() {
        let read = |text: &str| read_as(text, Dialect::Compose);
        let value = |text: &str| {
            let found = read(text);
            assert_eq!(found.fault, None, "{text}");
            serde_json::to_value(&found.documents[0]).unwrap()
        };
        assert_eq!(
            value("[no, yes, on, off, y, n, No, true, False, 0644, 0o17, ~]"),
            json!([
                "no", "yes", "on", "off", "y", "n", "No", true, false, 420, 15, null
            ])
        );
        assert_eq!(
            value("a: &a {x: 1, y: 1}\nb: {x: 2, <<: *a}\n")["b"],
            json!({"x": 2, "y": 1})
        );
        assert_eq!(
            value("a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}\n")["c"],
            json!({"x": 1, "y": 2})
        );
        for text in ["a: 1\na: 2\n", "a: {<<: {b: 1}, <<: {c: 1}}\n"] {
            let fault = read(text).fault.map(|fault| fault.message);
            assert!(
                fault.is_some_and(|message| message.contains("twice")),
                "{text}"
            );
        }
        assert_eq!(value("{\"a\": no}"), json!({"a": "no"}));
    }

    fn check(node: &Node, text: &str) {
        assert!(text.get(node.span.range()).is_some(), "{text:?} {node:?}");
        node.items().iter().for_each(|item| check(item, text));
        for entry in node.entries() {
            assert!(
                text.get(entry.key_span.range()).is_some(),
                "{text:?} {entry:?}"
            );
            check(&entry.value, text);
        }
    }

    fn check_all(text: &str) {
        let found = read(text);
        found
            .documents
            .iter()
            .for_each(|document| check(document, text));
        assert!(
            found
                .fault
                .is_none_or(|fault| text.is_char_boundary(fault.at)),
            "{text:?}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(std::env::var("CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000)))]

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            check_all(&text);
        }

        #[test]
        fn any_fragments_are_read_or_refused(parts in prop::collection::vec(prop::sample::select(vec![
            "a", "é", "a: ", "\"b\": ", "- ", "? ", ": ", ":", "[", "]", "{", "}", ",", ", ", "\"", "'", "|", ">-", "|2+", "#",
            " # c", "&x ", "*x", "<<: ", "!!str ", "!t ", "!", "---", "...", "%YAML 1.1", "\n", "\n", "\n  ", "\n    ", "\r\n",
            "\r", "\t", " ", "  ", "\\", "\\u", "1", "~", "\u{FEFF}", "\u{2028}", "\u{85}", "@", "%", "-", "<<: *x\n", "&x\n",
        ]), 0..25)) {
            check_all(&parts.concat());
        }
    }
}
