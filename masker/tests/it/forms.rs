//! The encoded forms of a value, against what other implementations make of it.

use std::collections::HashSet;

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, proptest};
use proptest::test_runner::Config;
use subrosa_masker::forms::{Form, encoded};

/// All forms of one kind.
fn forms(value: &[u8], form: Form) -> Vec<Vec<u8>> {
    let all = encoded(value).into_iter().filter(|encoded| encoded.form == form);
    all.map(|encoded| encoded.bytes.to_vec()).collect()
}

fn occurs(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// That `text`, which holds `value` encoded, holds one of its forms; the value itself is one.
fn is_found(value: &[u8], form: Form, text: &[u8]) -> bool {
    occurs(text, value) || forms(value, form).iter().any(|bytes| occurs(text, bytes))
}

/// That one of the forms of this kind is exactly this.
fn check(value: &str, form: Form, expected: &str) {
    let given = forms(value.as_bytes(), form);
    let shown: Vec<_> = given.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    assert!(shown.iter().any(|one| one == expected), "{form:?}: {expected}\nnot in {shown:#?}");
}

#[test]
fn what_python_and_bash_make_of_values_is_among_the_forms() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mask/forms.json");
    let entries: Vec<serde_json::Value> =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(entries.len() > 400);
    for entry in entries {
        let [value, form, text] = ["value", "form", "text"].map(|key| entry[key].as_str().unwrap());
        let text = BASE64.decode(text.as_bytes()).unwrap();
        let found = encoded(value.as_bytes()).iter().any(|one| occurs(&text, &one.bytes));
        let told = format!("{form} of {value:?}: {}", text.escape_ascii());
        assert!(found || occurs(&text, value.as_bytes()), "{told}");
    }
}

/// Values as text, with the characters that encodings care about.
fn text() -> impl Strategy<Value = String> {
    "[a-z0-9 \"'\\\\/&<>%+=~#$`!?*(){}\u{0}\n\t\u{1b}\u{7f}\u{80}é€\u{2028}😀]{8,40}"
}

/// Reads back what stands between the quotes of a literal; `None` is what it cannot read.
fn unescaped(text: &str, escape: fn(&mut std::str::Chars<'_>) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character == '\\' {
            bytes.extend(escape(&mut rest).unwrap());
        } else {
            bytes.extend(character.to_string().into_bytes());
        }
    }
    bytes
}

fn number(rest: &mut std::str::Chars<'_>, digits: usize, radix: u32) -> Option<u32> {
    let text: String = rest.take(digits).collect();
    (text.len() == digits).then(|| u32::from_str_radix(&text, radix).ok())?
}

/// What follows the backslash in a literal of Go or of Python's text.
fn language_escape(rest: &mut std::str::Chars<'_>) -> Option<Vec<u8>> {
    let character = match rest.next()? {
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'x' => char::from_u32(number(rest, 2, 16)?)?,
        'u' => char::from_u32(number(rest, 4, 16)?)?,
        'U' => char::from_u32(number(rest, 8, 16)?)?,
        quoted @ ('"' | '\'' | '\\') => quoted,
        _ => return None,
    };
    Some(character.to_string().into_bytes())
}

/// What follows the backslash inside `$'...'`.
fn ansi_c_escape(rest: &mut std::str::Chars<'_>) -> Option<Vec<u8>> {
    let mut ahead = rest.clone();
    if let Some(code) = number(&mut ahead, 3, 8) {
        *rest = ahead;
        return Some(vec![u8::try_from(code).ok()?]);
    }
    match rest.clone().next()? {
        'E' => rest.next().map(|_| vec![0x1b]),
        'a' | 'b' | 't' | 'n' | 'v' | 'f' | 'r' | '\'' | '\\' => language_escape(rest),
        _ => None,
    }
}

fn percent_decoded(text: &[u8], blank: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let code = if first == b'%' { tail.get(..2) } else { None };
        let code = code.and_then(|code| u8::from_str_radix(str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(if first == blank { b' ' } else { first }));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    bytes
}

proptest! {
    #![proptest_config(Config { cases: 400, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_encoding_of_a_text_holds_a_form_of_a_value_in_it(
        before in vec(any::<u8>(), 0..20),
        value in vec(any::<u8>(), 9..40),
        after in vec(any::<u8>(), 0..20),
    ) {
        let whole = [before, value.clone(), after].concat();
        let whole = whole.as_slice();
        let base64 = BASE64.encode(whole);
        prop_assert!(is_found(&value, Form::Base64, base64.as_bytes()));
        // Where both alphabets give the same, there is one form only.
        let url = BASE64URL.encode(whole);
        let is_url = is_found(&value, Form::Base64Url, url.as_bytes());
        prop_assert!(is_url || is_found(&value, Form::Base64, url.as_bytes()));
        let twice = BASE64.encode(base64.as_bytes());
        prop_assert!(is_found(&value, Form::Base64Twice, twice.as_bytes()));
        prop_assert!(is_found(&value, Form::Hex, HEXLOWER.encode(whole).as_bytes()));
        prop_assert!(is_found(&value, Form::Hex, HEXUPPER.encode(whole).as_bytes()));
        let colons: Vec<_> = whole.iter().map(|byte| format!("{byte:02x}")).collect();
        prop_assert!(is_found(&value, Form::HexColon, colons.join(":").as_bytes()));
    }

    #[test]
    fn json_and_utf16_of_a_text_hold_a_form_of_a_value_in_it(before in text(), value in text()) {
        let whole = format!("{before}{value}{before}");
        let json = serde_json::to_string(&whole).unwrap();
        prop_assert!(is_found(value.as_bytes(), Form::Json, json.as_bytes()));
        let twice = serde_json::to_string(&json).unwrap();
        prop_assert!(is_found(value.as_bytes(), Form::JsonInJson, twice.as_bytes()));
        let low: Vec<u8> = whole.encode_utf16().flat_map(u16::to_le_bytes).collect();
        prop_assert!(is_found(value.as_bytes(), Form::Utf16Le, &low));
        let high: Vec<u8> = whole.encode_utf16().flat_map(u16::to_be_bytes).collect();
        prop_assert!(is_found(value.as_bytes(), Form::Utf16Be, &high));
        let debug = format!("{whole:?}");
        prop_assert!(is_found(value.as_bytes(), Form::GoString, debug.as_bytes())
            || is_found(value.as_bytes(), Form::Json, debug.as_bytes()), "{debug}");
    }

    #[test]
    fn every_form_reads_back_as_the_value(value in text()) {
        for encoded in encoded(value.as_bytes()) {
            let text = String::from_utf8_lossy(&encoded.bytes);
            let read = match encoded.form {
                Form::Json | Form::JsonUnicode => json_read(&text).into_bytes(),
                Form::JsonInJson => json_read(&json_read(&text)).into_bytes(),
                Form::Hex => HEXLOWER.decode(text.to_lowercase().as_bytes()).unwrap(),
                Form::HexColon => {
                    HEXLOWER.decode(text.to_lowercase().replace(':', "").as_bytes()).unwrap()
                }
                // The one rule that leaves `%` as it is cannot be read back.
                Form::Percent if value.contains('%') => continue,
                Form::Percent => percent_decoded(&encoded.bytes, b' '),
                Form::FormUrl => percent_decoded(&encoded.bytes, b'+'),
                Form::ShellSingle => {
                    text.replace("'\\''", "'").replace("'\"'\"'", "'").into_bytes()
                }
                Form::ShellDouble | Form::ShellBackslash => {
                    unescaped(&text, |rest| rest.next().map(|c| c.to_string().into_bytes()))
                }
                Form::ShellAnsiC => unescaped(&text, ansi_c_escape),
                _ => continue,
            };
            // The rule for shells is ambiguous where the value holds such quotes itself.
            if encoded.form == Form::ShellSingle && (value.contains("'\\'") || value.contains("'\"'")) {
                continue;
            }
            prop_assert!(read == value.as_bytes(), "{:?}: {text:?} of {value:?}", encoded.form);
        }
    }

    #[test]
    fn no_form_is_short_or_there_twice_or_the_value(value in vec(any::<u8>(), 0..30)) {
        let all = encoded(&value);
        let different: HashSet<_> = all.iter().map(|encoded| encoded.bytes.to_vec()).collect();
        prop_assert!(different.len() == all.len());
        prop_assert!(different.iter().all(|bytes| bytes.len() >= 8 && *bytes != value));
    }
}

fn json_read(text: &str) -> String {
    serde_json::from_str(&format!("\"{text}\"")).unwrap()
}

#[test]
fn base64_keeps_only_what_depends_on_the_value() {
    let given = forms(b"hunter2-Zq9xK4vL8mPw", Form::Base64);
    let expected =
        ["aHVudGVyMi1acTl4SzR2TDhtUH", "h1bnRlcjItWnE5eEs0dkw4bVB3", "odW50ZXIyLVpxOXhLNHZMOG1Qd"];
    assert_eq!(given, expected.map(|text| text.as_bytes().to_vec()));
    assert!(forms(b"hunter2-Zq9xK4vL8mPw", Form::Base64Url).is_empty());
    check("??>>~~secret??>>~~", Form::Base64Url, "Pz8-Pn5-c2VjcmV0Pz8-Pn5-");
    check("??>>~~secret??>>~~", Form::Base64Url, "_Pz4-fn5zZWNyZXQ_Pz4-fn");
    check("hunter2-Zq9xK4vL8mPw", Form::Base64Twice, "YUhWdWRHVnlNaTFhY1RsNFN6UjJURGh0VU");
}

/// A value that holds most of what is escaped anywhere.
const NASTY: &str = "p@ss\"w/ord&<1>'x y\\z+=%40";

#[test]
fn forms_of_the_web() {
    check(NASTY, Form::Percent, "p%40ss%22w%2Ford%26%3C1%3E%27x%20y%5Cz%2B%3D%2540");
    check(NASTY, Form::Percent, "p%40ss%22w%2ford%26%3c1%3e%27x%20y%5cz%2b%3d%2540");
    check(NASTY, Form::Percent, "p%40ss%22w/ord%26%3C1%3E%27x%20y%5Cz%2B%3D%2540");
    check(NASTY, Form::Percent, "p%40ss%22w%2Ford%26%3C1%3E'x%20y%5Cz%2B%3D%2540");
    check(NASTY, Form::Percent, "p@ss%22w/ord&%3C1%3E'x%20y%5Cz+=%2540");
    check(NASTY, Form::FormUrl, "p%40ss%22w%2Ford%26%3C1%3E%27x+y%5Cz%2B%3D%2540");
    check("s3cr3t/with:odd@chars", Form::Percent, "s3cr3t%2Fwith%3Aodd%40chars");
    check("a~b*c d-é", Form::FormUrl, "a%7Eb*c+d-%C3%A9");
    check("a~b*c d-é", Form::FormUrl, "a~b%2Ac+d-%C3%A9");
    check(NASTY, Form::Html, "p@ss\"w/ord&amp;&lt;1&gt;'x y\\z+=%40");
    check(NASTY, Form::Html, "p@ss&quot;w/ord&amp;&lt;1&gt;&#x27;x y\\z+=%40");
    check(NASTY, Form::Html, "p@ss&quot;w/ord&amp;&lt;1&gt;&#039;x y\\z+=%40");
    check(NASTY, Form::Html, "p@ss&quot;w/ord&amp;&lt;1&gt;&apos;x y\\z+=%40");
    check(NASTY, Form::Html, "p@ss&#34;w/ord&amp;&lt;1&gt;&#39;x y\\z+=%40");
    check(NASTY, Form::Html, "p@ss&quot;w&#x2F;ord&amp;&lt;1&gt;&#39;x y\\z+&#x3D;%40");
    check("pä&€😀-9000", Form::Html, "p&#228;&amp;&#8364;&#128512;-9000");
    check("pä&€😀-9000", Form::Html, "p&#xe4;&amp;&#x20ac;&#x1f600;-9000");
}

#[test]
fn forms_of_json() {
    check(NASTY, Form::Json, "p@ss\\\"w/ord&<1>'x y\\\\z+=%40");
    check(NASTY, Form::Json, "p@ss\\\"w\\/ord&<1>'x y\\\\z+=%40");
    check(NASTY, Form::Json, "p@ss\\\"w/ord\\u0026\\u003c1\\u003e'x y\\\\z+=%40");
    check(
        NASTY,
        Form::JsonUnicode,
        "p@ss\\u0022w/ord\\u0026\\u003C1\\u003E\\u0027x y\\\\z\\u002B=%40",
    );
    check(NASTY, Form::JsonInJson, "p@ss\\\\\\\"w/ord&<1>'x y\\\\\\\\z+=%40");
    let wide = "pä§😀-€\u{7f}-9000";
    check(wide, Form::JsonUnicode, "p\\u00e4\\u00a7\\ud83d\\ude00-\\u20ac\\u007f-9000");
    check(wide, Form::JsonUnicode, "p\\u00E4\\u00A7\\uD83D\\uDE00-\\u20AC\\u007F-9000");
    check(wide, Form::JsonInJson, "p\\\\u00e4\\\\u00a7\\\\ud83d\\\\ude00-\\\\u20ac\\\\u007f-9000");
    check("é\u{7f}-9000", Form::Json, "é\\u007f-9000");
    check("line\nline\u{1}", Form::Json, "line\\nline\\u0001");
}

#[test]
fn forms_of_shells() {
    check(NASTY, Form::ShellSingle, "p@ss\"w/ord&<1>'\\''x y\\z+=%40");
    check(NASTY, Form::ShellSingle, "p@ss\"w/ord&<1>'\"'\"'x y\\z+=%40");
    check("a$b`c\"d\\e!", Form::ShellDouble, "a\\$b\\`c\\\"d\\\\e!");
    check("pa ss&wo(rd)", Form::ShellBackslash, "pa\\ ss\\&wo\\(rd\\)");
    check("~a#b~c,d^{e}", Form::ShellBackslash, "\\~a#b~c\\,d\\^\\{e\\}");
    check("~a#b~c,d^{e}", Form::ShellBackslash, "~a#b~c\\,d\\^\\{e\\}");
    check("~a#b~é,d=%{e}", Form::ShellBackslash, "\\~a\\#b\\~\\é,d\\=\\%\\{e\\}");
    check("tab\tnl\nesc\u{1b}'é\u{7f}\\", Form::ShellAnsiC, "tab\\tnl\\nesc\\E\\'é\\177\\\\");
    check("tab\tnl\né\u{1}12", Form::ShellAnsiC, "tab\\tnl\\n\\303\\251\\00112");
}

#[test]
fn forms_of_languages() {
    check(NASTY, Form::Json, "p@ss\\\"w/ord&<1>'x y\\\\z+=%40");
    check("a\"b\u{7}é😀\u{7f}\u{1}", Form::GoString, "a\\\"b\\aé😀\\x7f\\x01");
    check("a\"b\u{7}é😀\u{7f}\u{1}", Form::GoString, "a\\\"b\\a\\u00e9\\U0001f600\\x7f\\x01");
    check("a\"b'\u{7}é\u{1}", Form::GoString, "a\\\"b'\\u{7}é\\u{1}");
    check("say \"é\"\n\u{1b}€", Form::PythonRepr, "say \"é\"\\n\\x1b€");
    check("it's é\n\u{1b}€😀", Form::PythonRepr, "it\\'s é\\n\\x1b€😀");
    check("it's é\n\u{1b}€😀", Form::PythonRepr, "it's \\xe9\\n\\x1b\\u20ac\\U0001f600");
    check("it's é€", Form::PythonRepr, "it\\'s \\xc3\\xa9\\xe2\\x82\\xac");
    check("o'hara's-pw-123", Form::DoubledQuotes, "o''hara''s-pw-123");
    check("say \"pw-123\"", Form::DoubledQuotes, "say \"\"pw-123\"\"");
}

#[test]
fn forms_of_bytes_that_are_no_text() {
    let value = b"key\xff\xfe'\"12";
    let kinds: HashSet<Form> = encoded(value).iter().map(|encoded| encoded.form).collect();
    for none in [Form::Json, Form::JsonUnicode, Form::JsonInJson, Form::Utf16Le, Form::Utf16Be] {
        assert!(!kinds.contains(&none), "{none:?}");
    }
    assert!(forms(value, Form::PythonRepr).contains(&b"key\\xff\\xfe\\'\"12".to_vec()));
    assert!(forms(value, Form::GoString).contains(&b"key\\xff\\xfe'\\\"12".to_vec()));
    assert!(forms(value, Form::ShellAnsiC).contains(&b"key\\377\\376\\'\"12".to_vec()));
    assert!(forms(value, Form::Percent).contains(&b"key%FF%FE%27%2212".to_vec()));
}

#[test]
fn no_rule_escapes_letters_digits_dashes_dots_and_underscores() {
    let plain = "ABCXYZabcxyz0189-._";
    let keeps_text = |form: Form| {
        use Form::{Base64, Base64Twice, Base64Url, Hex, HexColon, Utf16Be, Utf16Le};
        !matches!(form, Base64 | Base64Url | Base64Twice | Hex | HexColon | Utf16Le | Utf16Be)
    };
    let others = encoded(plain.as_bytes()).iter().filter(|one| keeps_text(one.form)).count();
    assert_eq!(others, 0);
    // The same beside characters that the rules do escape.
    let nasty = format!("é\"'/<$ {plain} >$/'\"\n");
    let all = encoded(nasty.as_bytes());
    let escaped: Vec<_> = all.iter().filter(|one| keeps_text(one.form)).collect();
    assert!(escaped.len() > 40, "{}", escaped.len());
    assert!(escaped.iter().all(|one| occurs(&one.bytes, plain.as_bytes())));
}

#[test]
fn a_uuid_is_given_in_the_other_case_and_nothing_else_is() {
    let lower = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    let upper = "3F2504E0-4F89-41D3-9A0C-0305E82C3301";
    assert_eq!(forms(lower.as_bytes(), Form::Uuid), [upper.as_bytes()]);
    assert_eq!(forms(upper.as_bytes(), Form::Uuid), [lower.as_bytes()]);
    assert!(forms(b"3f2504e0-4f89-41d3-9a0c-0305e82c330g", Form::Uuid).is_empty());
    assert!(forms(b"hunter2-Zq9xK4vL8mPw", Form::Uuid).is_empty());
}

#[test]
fn the_shortest_values_have_the_long_forms_only() {
    assert!(encoded(b"").is_empty());
    assert!(encoded(b"ab").is_empty());
    let kinds: Vec<Form> = encoded(b"abcd").iter().map(|encoded| encoded.form).collect();
    let expected = [Form::Hex, Form::Utf16Le, Form::Utf16Be, Form::HexColon];
    assert_eq!(kinds, expected);
}
