use super::*;

#[test]
fn all_problems_are_reported_in_order() {
    let text = "schema = 2\nname = 5\ncolour = \"red\"\n\n[size]\nwidth = 300\nhight = 4\nkind = \"bigg\"\n\nlist = [1, \"a\"]\n";
    let file = Path::new("a/b.toml");
    let (mut document, mut root) = Document::parse(file, text);
    assert_eq!(root.integer(&mut document, "schema", 1..=1), None);
    assert_eq!(root.text(&mut document, "name"), None);
    root.required_text(&mut document, "author");
    let mut size = root.table(&mut document, "size").unwrap();
    size.number(&mut document, "width", 0.0..=100.0);
    size.number(&mut document, "height", 0.0..=100.0);
    size.choice(&mut document, "kind", &[("big", 1), ("small", 0)]);
    assert_eq!(size.texts(&mut document, "list"), ["a"]);
    size.finish(&mut document);
    root.finish(&mut document);
    let problems: Vec<String> = document.finish(()).unwrap_err().iter().map(Problem::to_string).collect();
    assert_eq!(
        problems,
        [
            "a/b.toml:1: schema = 2: expected 1",
            "a/b.toml:1: author is missing; expected a string",
            "a/b.toml:2: name = 5: expected a string in quotes",
            "a/b.toml:3: colour = \"red\": unknown key (expected one of schema, name, author, size)",
            "a/b.toml:6: size.width = 300: expected a number from 0 to 100",
            "a/b.toml:7: size.hight = 4: unknown key; did you mean \"height\"? (expected one of width, height, kind, list)",
            "a/b.toml:8: size.kind = \"bigg\": expected one of big, small; did you mean \"big\"?",
            "a/b.toml:10: size.list = 1: expected a string in quotes",
        ]
    );
}

#[test]
fn syntax_errors_have_line_numbers() {
    let (mut document, root) = Document::parse(Path::new("x.toml"), "a = 1\nb = \nc = [\n");
    root.missing(&mut document, "c", "a list");
    let problems = document.finish(()).unwrap_err();
    assert_eq!(problems[0].line, 2);
    assert!(problems.len() >= 2, "{problems:?}");
    assert!(
        !problems.iter().any(|problem| problem.hint.contains("missing")),
        "a key may be missing because of the syntax errors: {problems:?}"
    );
}

#[test]
fn out_of_range_parameters_are_errors() {
    let file = Path::new("x.toml");
    let (mut document, mut root) = Document::parse(file, "a = 3\nb = \"kalm\"\nc = 0.5\nd = nan\ne = [1]\n");
    use crate::event::parameter::{Param, Value};
    let mut read = |key, param| root.take(key).unwrap().parameter(&mut document, param);
    assert_eq!(read("a", Param::Valence), None);
    assert_eq!(read("b", Param::Emotion), None);
    assert_eq!(read("c", Param::Valence), Some(Value::Number(0.5)));
    assert_eq!(read("d", Param::Valence), None);
    assert_eq!(read("e", Param::Valence), None);
    let problems: Vec<String> = document.finish(()).unwrap_err().iter().map(Problem::to_string).collect();
    assert_eq!(problems[0], "x.toml:1: a = 3: expected a number from -1 to 1");
    assert!(problems[1].contains("did you mean \"calm\"?"), "{}", problems[1]);
    assert!(problems[2].contains("finite"), "{}", problems[2]);
    assert_eq!(problems.len(), 4);
}

#[test]
fn integers_too_large_for_toml_are_out_of_range() {
    use crate::event::parameter::Param;
    for number in ["99999999999999999999999", "-99999999999999999999999", "0xffff_ffff_ffff_ffff_ffff"] {
        let text = format!("tempo = {number}\nwidth = {number}\n");
        let (mut document, mut root) = Document::parse(Path::new("x.toml"), &text);
        assert_eq!(root.take("tempo").unwrap().parameter(&mut document, Param::Tempo), None);
        assert_eq!(root.number(&mut document, "width", 0.0..=100.0), None);
        let hints: Vec<String> = document.finish(()).unwrap_err().into_iter().map(|problem| problem.hint).collect();
        assert_eq!(hints, ["expected a number from 40 to 200", "expected a number from 0 to 100"], "{number}");
    }
}

#[test]
fn typos_get_suggestions() {
    let names = ["valence", "arousal", "level/pad", "level/bass", "key"];
    for (typo, expected) in [
        ("valance", Some("valence")),
        ("arousla", Some("arousal")),
        ("levle/pad", Some("level/pad")),
        ("level_bass", Some("level/bass")),
        ("kye", Some("key")),
        ("VALENCE", Some("valence")),
        ("brightness", None),
        ("", None),
    ] {
        let hint = expected.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
        assert_eq!(suggestion(typo, names), hint, "{typo}");
    }
    assert_eq!(suggestion(&"valence".repeat(1000), names), "");
}

/// Reads a document whose only known key is `schema`, and counts the problems.
fn count_problems(text: &str) -> usize {
    let (mut document, mut root) = Document::parse(Path::new("x.toml"), text);
    root.take("schema");
    root.finish(&mut document);
    document.finish(()).unwrap_err().len()
}

#[test]
fn files_full_of_errors_are_read_in_linear_time() {
    type Generate = fn(usize) -> String;
    let kinds: [(&str, Generate); 5] = [
        ("unknown keys", |count| (0..count).map(|n| format!("kye{n} = {n}\n")).collect()),
        ("syntax errors", |count| "a = \n".repeat(count)),
        ("unclosed lists", |count| "x = [\n".repeat(count)),
        ("one long line", |count| format!("x = \"{}\"", "y".repeat(8 * count))),
        ("duplicate keys", |count| "x = 1\n".repeat(count)),
    ];
    for (kind, text) in kinds {
        let time = |count: usize| {
            let text = text(count);
            let start = std::time::Instant::now();
            assert!(count_problems(&text) <= MAX_PROBLEMS + 1, "{kind}");
            start.elapsed()
        };
        time(100);
        let (short, long) = (time(2_000), time(20_000));
        assert!(long < 60 * short.max(std::time::Duration::from_millis(1)), "{kind}: {short:?} and {long:?}");
    }
}

#[test]
fn problems_beyond_a_hundred_are_counted() {
    let text: String = (0..250).map(|n| format!("key{n} = {n}\n")).collect();
    let (mut document, root) = Document::parse(Path::new("x.toml"), &text);
    root.finish(&mut document);
    let problems = document.finish(()).unwrap_err();
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[0].line, 1);
    assert_eq!(problems[100].to_string(), "x.toml: and 150 more problems");
}
