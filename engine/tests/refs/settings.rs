//! What the configuration adds to requests, and what it lets a workflow decide.

use std::sync::Arc;

use subrosa_engine::config::{Origin, Settings, parse};
use subrosa_engine::provider::Providers;
use subrosa_engine::source::SourceFile;

use crate::providers::world;
use crate::scripted::{Act, Scripted};
use crate::world::{World, running};

/// The settings of a user's and a project's file.
pub(crate) fn settings(files: &[(&str, &str)], profile: Option<&str>) -> Settings {
    let mut read = Vec::new();
    for (user, project) in files {
        for (name, text, origin) in
            [("user.toml", user, Origin::User), ("project.toml", project, Origin::Project)]
        {
            let parsed =
                parse(&Arc::new(SourceFile::new(name, *text)), origin, &Providers::default());
            read.push(parsed.file.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics)));
        }
    }
    Settings::new(&read, profile).unwrap()
}

const USER: &str = "\
[provider.box]
address = 'https://home'
token = 'canary'
namespace = 'mine'

[provider.box.instance.eu]
address = 'https://eu'
";

fn configured(user: &str) -> (World, Scripted) {
    let provider = Scripted::told(|request, _| {
        let shown = request.options.0.iter().map(|(name, value)| format!("{name}={value}"));
        let shown: Vec<String> = shown.collect();
        Act::Fail(subrosa_engine::provider::ProviderError::new(
            subrosa_engine::provider::ProviderErrorKind::NotFound,
            shown.join(" "),
        ))
    });
    let mut world = world(&provider);
    world.settings = settings(&[(user, "[provider.box]\nnamespace = 'team'\n")], None);
    (world, provider)
}

async fn asked(user: &str, options: &str) -> String {
    let (world, _) = configured(user);
    let text = format!(
        "secrets: [{{name: A, provider: box, key: k, options: {{{options}}}}}]\nsteps: [{{run: x}}]\n"
    );
    let told = world.resolve(&text, running()).await.err().unwrap();
    told.replace("secret-not-resolved 1: could not resolve secret `A` from provider `box`: ", "")
}

#[tokio::test]
async fn options_of_the_file_go_before_those_of_the_configuration() {
    let home = "address=https://home namespace=team token=canary\n";
    assert_eq!(asked(USER, "").await, home);
    assert_eq!(asked(USER, "namespace: its").await, home.replace("team", "its"));
    assert_eq!(asked(USER, "instance: eu").await, home.replace("home", "eu"));
}

#[tokio::test]
async fn a_misspelt_option_is_told_before_anybody_is_asked() {
    let giving = Scripted::giving();
    let log = giving.log.clone();
    let text = "secrets: [{name: A, provider: box, key: k, options: {tokn: canary}}]\n\
                steps: [{run: x}]\n";
    let refused = world(&giving).resolve(text, running()).await;
    let told = refused.err().unwrap();
    assert!(
        told.contains("unknown option `tokn`") && told.contains("did you mean `token`?"),
        "{told}"
    );
    assert!(!told.contains("canary"), "{told}");
    assert_eq!(log.count("open"), 0);
}

#[tokio::test]
async fn an_instance_that_is_not_there_is_told_without_its_name() {
    let told = asked(USER, "instance: canary").await;
    assert_eq!(
        told,
        "the instance that `options.instance` names is not configured\n\
         \x20 help: configured instances: eu\n"
    );
    assert!(asked("", "instance: canary").await.contains("[provider.box.instance.NAME]"));
}

#[tokio::test]
async fn with_trusted_addresses_no_other_one_is_asked() {
    let trusting = USER.replace("token", "trusted_addresses = ['https://third']\ntoken");
    for address in ["https://home/", "https://eu", "https://third"] {
        assert!(asked(&trusting, &format!("address: '{address}'")).await.starts_with("address="));
    }
    let told = asked(&trusting, "address: 'https://evil'").await;
    assert!(told.starts_with("`options.address` names an address that is not trusted\n"), "{told}");
    assert!(told.contains("`trusted_addresses` of `[provider.box]`"), "{told}");
}

#[tokio::test]
async fn credentials_go_to_no_address_that_is_configured_for_others() {
    let refused = "`options.address` names an address that is configured for other credentials";
    let trusting = "trusted_addresses = ['https://home', 'https://eu']\n";
    // What follows is of eu; without a token of its own it has that of all.
    for (of_eu, is_other) in
        [("", false), ("namespace = 'x'\n", false), ("token = 'other'\n", true)]
    {
        for trusted in ["", trusting] {
            let user = format!("{}{of_eu}", USER.replace("token", &format!("{trusted}token")));
            for (options, other) in [
                ("instance: eu, address: 'https://home/'", is_other),
                ("address: 'https://eu'", is_other),
                ("instance: eu, address: 'https://eu'", false),
                ("address: 'https://home'", false),
            ] {
                let told = asked(&user, options).await;
                assert_eq!(told.starts_with(refused), other, "{user}{options}: {told}");
                assert_eq!(told.starts_with("address="), !other, "{user}{options}: {told}");
            }
        }
    }
}

#[tokio::test]
async fn without_them_an_address_that_is_not_configured_is_a_warning() {
    let text = |address: &str| {
        format!(
            "secrets: [{{name: A, provider: box, key: k, options: {{address: '{address}'}}}}]\n\
             steps: [{{run: x}}]\n"
        )
    };
    let warnings = async |user: &str, address: &str| {
        let mut world = world(&Scripted::giving());
        world.settings = settings(&[(user, "")], None);
        let resolved = world.resolve(&text(address), running()).await.unwrap();
        resolved.warnings().iter().map(|found| found.code).collect::<Vec<_>>()
    };
    assert_eq!(warnings(USER, "https://evil").await, ["provider-address"]);
    assert_eq!(warnings(USER, "https://eu").await, [""; 0]);
    assert_eq!(warnings("", "https://evil").await, [""; 0]);
}

#[tokio::test]
async fn where_credentials_went_is_told_also_if_nothing_came_of_it() {
    let evil = "secrets: [{name: A, provider: box, key: k, options: {address: 'https://evil'}}]\n\
                steps: [{run: 'true'}]\n";
    let (world, _) = configured(USER);
    let told = world.resolve(evil, running()).await.err().unwrap();
    let lines: Vec<&str> = told.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines[0].starts_with("secret-not-resolved 1: "), "{told}");
    assert!(lines[1].starts_with("provider-address 1: "), "{told}");
    let called = format!("steps: [{{name: one, call: other}}]\n---\nname: other\n{evil}");
    let left = world.run(&called, running()).await;
    let warnings = left.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].ends_with("your credentials go there"), "{warnings:?}");
    assert!(!left.record("")["steps"][0].to_string().contains("credentials go there"));
}
