use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::{any, prop, proptest};

use super::{ConfigFile, Origin, Parsed, Settings, Whose, parse};
use crate::host::Limits;
use crate::provider::{Client, Identity, Provider, ProviderError, Providers, ResolveContext};
use crate::source::SourceFile;

struct Named(&'static str, &'static [&'static str]);

#[async_trait]
impl Provider for Named {
    fn name(&self) -> &str {
        self.0
    }

    fn options(&self) -> &[&str] {
        self.1
    }

    async fn open(
        &self,
        _context: &ResolveContext,
        _identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        unreachable!("a configuration is read without asking anybody")
    }
}

fn read(text: &str, origin: Origin) -> (Arc<SourceFile>, Parsed) {
    let vault = Named("vault", &["address", "namespace", "token"]);
    let find = |name: &str| (name == "found").then(|| Arc::new(Named("found", &[])) as _);
    let providers = Providers {
        built_in: vec![Arc::new(vault), Arc::new(Named("box", &[]))],
        find: Some(Arc::new(find)),
    };
    let source = Arc::new(SourceFile::new("subrosa.toml", text));
    let parsed = parse(&source, origin, &providers);
    (source, parsed)
}

/// `code LINE:COLUMN: message; help` of everything found.
fn told(text: &str, origin: Origin) -> Vec<String> {
    let (source, parsed) = read(text, origin);
    let one = |found: &crate::diagnostic::Diagnostic| {
        let at = source.position(found.labels[0].span.start);
        let help = found.help.as_deref().unwrap_or("");
        format!("{} {}:{}: {}; {help}", found.code, at.line, at.column, found.message)
    };
    parsed.diagnostics.iter().map(one).collect()
}

fn check(text: &str, origin: Origin, expected: &str) {
    let told = told(text, origin);
    assert!(told.len() == 1 && told[0].starts_with(expected), "{text}: {told:?}");
    let holds = read(text, origin).1.file.is_some();
    assert_eq!(holds, told[0].contains("unknown provider `other`"), "{text}");
}

fn file(text: &str, origin: Origin) -> ConfigFile {
    let (_, parsed) = read(text, origin);
    parsed.file.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics))
}

fn options(settings: &Settings, instance: Option<&str>) -> String {
    let vault = &settings.providers["vault"];
    let configured = instance.map_or(&vault.defaults, |name| &vault.instances[name]);
    let pairs = configured.options.0.iter().map(|(name, value)| format!("{name}={value}"));
    format!("{} from {}", pairs.collect::<Vec<_>>().join(" "), configured.from.join(" "))
}

#[test]
fn what_is_said_of_the_server_is_the_users_alone() {
    let text = "[serve.oidc]\nissuer = 'https://id.example'\n";
    file(text, Origin::User);
    let told = "config-unknown-key 1:2: unknown table `serve`; known here: provider";
    check(text, Origin::Project, told);
}

#[test]
fn every_slip_is_told_with_its_place_and_its_cure() {
    let user = |text, expected| check(text, Origin::User, expected);
    user(
        "[provder.vault]\n",
        "config-unknown-key 1:2: unknown table `provder`; did you mean `provider`?",
    );
    user(
        "[provider.vualt]\n",
        "config-unknown-provider 1:11: unknown provider `vualt`; did you mean `vault`?",
    );
    user(
        "[provider.other]\n",
        "config-unknown-provider 1:11: unknown provider `other`; known providers: vault, box",
    );
    user(
        "[provider.vault]\nadress = 'x'\n",
        "config-unknown-key 2:1: unknown option of provider `vault` `adress`; did you mean `address`?",
    );
    user(
        "[provider.vault]\ntoken = [1]\n",
        "config-type 2:1: option `token` is no text; an option is",
    );
    user(
        "[provider]\nvault = 3\n",
        "config-type 2:1: `vault` is a value, not a table; write `[vault]`",
    );
    user(
        "[resolve]\nrequets = '1s'\n",
        "config-unknown-key 2:1: unknown key of `[resolve]` `requets`; did",
    );
    user(
        "[resolve]\nrequest = 'soon'\n",
        "config-value 2:1: `request` is no duration that fits; write a",
    );
    user(
        "[resolve]\nrequest = '2h'\n",
        "config-value 2:1: `request` is no duration that fits; write a",
    );
    user(
        "[resolve]\nat_once = 0\n",
        "config-value 2:1: `at_once` is no number that fits; write a whole",
    );
    user("[cache]\nmax_age = '90days'\n", "config-value 2:1: `max_age` is no duration");
    user(
        "[profile.p.vault]\n",
        "config-unknown-key 1:12: unknown table of a profile `vault`; known",
    );
    user(
        "[provider.vault]\ntrusted_addresses = 'x'\n",
        "config-type 2:1: `trusted_addresses` is no",
    );
    user("a = \n", "config-syntax 1:");
    for text in [
        "[provider.vault]\ninstance = 'eu'\n",
        "[provider.found]\ninstance = 'eu'\n",
        "[provider.vault.instance.eu]\ninstance = 'x'\n",
    ] {
        user(text, "config-type 2:1: `instance` is no option, but a table here; write `[provider.");
    }
    user("[cache]\n[cache]\n", "config-syntax 2:2: a key or table is there twice; keep one");
}

#[test]
fn a_provider_that_is_found_by_its_name_is_known() {
    assert_eq!(told("[provider.found]\nfile = 'x'\n", Origin::User), Vec::<String>::new());
    check("[provider.found]\nfile = 'x'\n", Origin::Project, "config-user-only 2:1: `file`");
}

#[test]
fn a_project_may_not_say_where_credentials_go() {
    for text in [
        "[provider.vault]\naddress = 'https://evil'\n",
        "[provider.vault]\ntoken = 'x'\n",
        "[provider.vault]\ntrusted_addresses = ['https://evil']\n",
        "[provider.vault.instance.eu]\naddress = 'https://evil'\n",
        "[profile.p.provider.vault]\naddress = 'https://evil'\n",
        "[provider.box]\ncommand = 'sh'\n",
        "[provider.box]\nkubeconfig = 'evil'\n",
        "[provider.box]\ncontext = 'evil'\n",
        "[provider.box]\nvault_address = 'evil'\n",
        "[provider.box]\nvault_token_file = 'evil'\n",
        "[provider.box]\nca_cert = 'evil'\n",
        "[provider.box]\nmethod = 'write'\n",
        "[cache]\nmax_age = '1h'\n",
    ] {
        check(text, Origin::Project, "config-user-only ");
        assert!(!told(text, Origin::Project)[0].contains("evil"));
        assert!(read(text, Origin::User).1.file.is_some(), "{text}");
    }
    assert!(read("[provider.vault]\nnamespace = 'x'\n", Origin::Project).1.file.is_some());
}

#[test]
fn what_credentials_go_to_is_trusted_by_its_kind() {
    let text = "[provider.box]\ntrusted_addresses = ['https://a/', '/k.yaml', 'k.yaml', 'main']\n\
                url = 'https://b'\nkubeconfig = 'own.yaml'\n";
    let settings = Settings::new(&[file(text, Origin::User)], None).unwrap();
    let of_box = &settings.providers["box"];
    let trusts = |option, address| {
        let whose = of_box.whose(&of_box.defaults, option, address);
        whose == Whose::Own || of_box.trusts(option, address)
    };
    for (option, address) in [
        ("address", "https://a"),
        ("vault_address", "https://b/"),
        ("kubeconfig", "/k.yaml"),
        ("kubeconfig", "own.yaml"),
        ("context", "main"),
    ] {
        assert!(trusts(option, address), "{option} {address}");
    }
    for (option, address) in [
        ("address", "https://c"),
        ("address", "own.yaml"),
        ("kubeconfig", "k.yaml"),
        ("kubeconfig", "main"),
        ("kubeconfig", "https://b"),
        ("context", "own.yaml"),
    ] {
        assert!(!trusts(option, address), "{option} {address}");
    }
}

#[test]
fn the_nearer_table_goes_before_the_farther_one() {
    let user = file(
        "[provider.vault]\naddress = 'home'\ntoken = 't'\nnamespace = 'n'\n\
         [provider.vault.instance.eu]\naddress = 'eu'\n\
         [profile.prod.provider.vault]\naddress = 'prod'\n\
         [profile.prod.provider.vault.instance.eu]\nnamespace = 'prod-eu'\n",
        Origin::User,
    );
    let project = file("[provider.vault]\nnamespace = 'team'\n", Origin::Project);
    let files = [user, project];
    let plain = Settings::new(&files, None).unwrap();
    let at = |line: usize| format!("subrosa.toml:{line}");
    assert_eq!(
        options(&plain, None),
        format!("address=home namespace=team token=t from {} {}", at(2), at(2))
    );
    assert!(options(&plain, Some("eu")).starts_with("address=eu namespace=team token=t from"));
    let prod = Settings::new(&files, Some("prod")).unwrap();
    assert!(options(&prod, None).starts_with("address=prod namespace=team token=t"));
    // The instance that a workflow names is not led elsewhere by a profile that says nothing of it.
    assert!(options(&prod, Some("eu")).starts_with("address=eu namespace=prod-eu token=t"));
    let unknown = Settings::new(&files, Some("prdo")).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no profile `prdo` in the configuration");
    assert_eq!(unknown.help(), "did you mean `prod`? Known profiles: prod");
}

#[test]
fn values_become_texts_and_bounds_bounds() {
    let text = "[provider.vault]\naddress = 'x'\nnamespace = 7\ntoken = true\n\
                [resolve]\nrequest = '2s'\nretries = 0\n[cache]\nmax_age = '1h'\n";
    let settings = Settings::new(&[file(text, Origin::User)], None).unwrap();
    assert!(options(&settings, None).starts_with("address=x namespace=7 token=true"));
    let limits = settings.limits(Limits::default());
    assert_eq!((limits.request, limits.retries), (Duration::from_secs(2), 0));
    assert_eq!(limits.resolve, Limits::default().resolve);
    assert_eq!(settings.cache_max_age, Some(Duration::from_secs(3600)));
}

#[test]
fn a_project_may_shorten_the_wait_for_what_is_given_back_and_not_lengthen_it() {
    for (user, project, expected) in [
        ("", "close = '1h'", Limits::default().close),
        ("", "close = '1s'", Duration::from_secs(1)),
        ("close = '30s'", "close = '10s'", Duration::from_secs(10)),
        ("close = '30s'", "close = '1h'", Duration::from_secs(30)),
        ("close = '30s'", "", Duration::from_secs(30)),
    ] {
        let files = [(user, Origin::User), (project, Origin::Project)];
        let files = files.map(|(text, origin)| file(&format!("[resolve]\n{text}\n"), origin));
        let settings = Settings::new(&files, None).unwrap();
        assert_eq!(settings.limits(Limits::default()).close, expected, "{user} {project}");
    }
}

#[test]
fn of_very_many_slips_the_first_are_told_and_the_rest_are_counted() {
    let many: String = (0..250).map(|number| format!("a{number} = 1\n")).collect();
    let (_, parsed) = read(&format!("[provider.vault]\n{many}"), Origin::User);
    assert_eq!(parsed.diagnostics.len(), 101);
    assert!(parsed.private.len() >= 250);
    let last = parsed.diagnostics.last().unwrap();
    assert_eq!((last.message.as_str(), last.is_error()), ("150 more are not shown", true));
}

#[test]
fn no_value_can_be_seen_and_none_is_shown() {
    let text = "[provider.vault]\ntoken = 'canary'\naddress = ['canary']\n[resolve]\nrequest = 'canary'\n\
                [x]\ny.z = 'canary'\n";
    let (source, parsed) = read(text, Origin::User);
    let places = text.match_indices("canary").map(|(at, _)| at);
    let is_private = |at| parsed.private.iter().any(|span| (span.start..span.end).contains(&at));
    assert_eq!(places.filter(|at| !is_private(*at)).count(), 0);
    assert!(!format!("{:?}", parsed.diagnostics).contains("canary"));
    assert_eq!(source.text().matches("canary").count(), 4);
    let whole = file("[provider.vault]\ntoken = 'canary'\n", Origin::User);
    let settings = Settings::new(std::slice::from_ref(&whole), None).unwrap();
    assert!(!format!("{whole:?} {settings:?}").contains("canary"));
    let (_, broken) = read("token = 'canary", Origin::User);
    assert_eq!(broken.private.len(), 1);
    assert_eq!((broken.private[0].start, broken.private[0].end), (0, 15));
}

#[test]
fn depth_ends_in_a_message() {
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(&deep, Origin::Project).1.file.is_none());
    let dotted = format!("[{}x]\n", "a.".repeat(10_000));
    assert!(read(&dotted, Origin::Project).1.file.is_none());
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>()) {
        read(&text, Origin::Project);
    }

    #[test]
    fn any_lines_of_our_words_are_read_without_a_panic(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "[provider.vault]", "[provider.vault.instance.eu]", "[profile.p.provider.vault]",
                "[resolve]", "[cache]", "address = 'x'", "max_age = '1h'", "at_once = 3",
                "instance = 2", "provider = 1", "trusted_addresses = ['a']", "[[provider]]",
            ]),
            0..12,
        )
    ) {
        let (_, parsed) = read(&lines.join("\n"), Origin::User);
        let has_errors = parsed.diagnostics.iter().any(crate::diagnostic::Diagnostic::is_error);
        assert_eq!(parsed.file.is_none(), has_errors);
    }
}
