//! What README and docs/ have users type and keep: each `helm` command, with its file of values, and each Argo CD Application and
//! Flux HelmRelease renders pods whose images a cluster can pull.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use support::chart;

/// Its nodes are given the images, so the charts' own names will do.
const KIND: &str = "## On kind";

struct Page {
    path: String,
    text: String,
}

fn pages() -> Result<Vec<Page>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = vec!["README.md".to_owned()];
    for entry in fs::read_dir(root.join("docs"))? {
        let name = entry?.file_name().display().to_string();
        if name.ends_with(".md") {
            paths.push(format!("docs/{name}"));
        }
    }
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(root.join(&path))?;
            Ok(Page { path, text })
        })
        .collect()
}

impl Page {
    /// The commands that install or upgrade a release, as words.
    fn commands(&self) -> Vec<Vec<String>> {
        let (mut commands, mut section) = (Vec::new(), "");
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("## ") {
                section = line;
            }
            let Some(code) = line.strip_prefix("    ") else {
                continue;
            };
            let is_meant = ["helm install ", "helm upgrade "]
                .iter()
                .any(|command| code.starts_with(command));
            if !is_meant || section == KIND {
                continue;
            }
            let mut command = code.to_owned();
            while let Some(begun) = command.strip_suffix('\\') {
                command = format!("{begun} {}", lines.next().unwrap_or_default());
            }
            let words = command.split_whitespace();
            commands.push(
                words
                    .map(|word| word.trim_matches('\'').to_owned())
                    .collect(),
            );
        }
        commands
    }

    /// The blocks of YAML.
    fn blocks(&self) -> Vec<&str> {
        let blocks = self.text.split("```yaml\n").skip(1);
        blocks
            .filter_map(|rest| Some(rest.split_once("```")?.0))
            .collect()
    }

    /// The contents of a file of values: the whole, and what is added to it elsewhere on the page.
    fn file(&self, name: &str) -> Result<(&str, Vec<&str>)> {
        let of_file = |first: String| {
            let blocks = self.blocks().into_iter();
            blocks.filter(move |block| block.lines().next() == Some(&first))
        };
        let whole = of_file(format!("# {name}"))
            .next()
            .with_context(|| format!("{} does not show the file {name}", self.path))?;
        Ok((whole, of_file(format!("# {name}, added")).collect()))
    }
}

/// Fails where a pod's image has no registry in its name.
fn can_be_pulled(objects: &[Value]) -> Result<()> {
    let deployments = objects
        .iter()
        .filter(|object| object["kind"] == "Deployment");
    let mut images = 0;
    for deployment in deployments {
        let containers = &deployment["spec"]["template"]["spec"]["containers"];
        for container in containers.as_array().context("containers")? {
            let image = container["image"].as_str().context("an image")?;
            let registry = image.split_once('/').map_or("", |(registry, _)| registry);
            ensure!(registry.contains('.'), "no registry has the image {image}");
            images += 1;
        }
    }
    ensure!(images > 0, "there are no pods");
    Ok(())
}

/// Renders what a command installs, with these files of values.
async fn render(command: &[String], files: &[&str]) -> Result<Vec<Value>> {
    let at = command
        .iter()
        .position(|word| word.starts_with("charts/"))
        .context("no chart")?;
    let name = command[at].trim_start_matches("charts/");
    let folder = chart::folder(name).display().to_string();
    let folder_of_values = tempfile::tempdir()?;
    let mut arguments: Vec<String> = [
        "template",
        command[at - 1].as_str(),
        &folder,
        "--kube-version",
        chart::KUBE_VERSION,
    ]
    .map(str::to_owned)
    .to_vec();
    for (option, value) in command.iter().zip(&command[1..]) {
        if option == "--set" || option == "--namespace" {
            arguments.extend([option.clone(), value.clone()]);
        }
    }
    for (number, text) in files.iter().enumerate() {
        let path = folder_of_values.path().join(format!("{number}.yaml"));
        fs::write(&path, text)?;
        arguments.extend(["--values".to_owned(), path.display().to_string()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    chart::objects(&chart::helm(&arguments, &json!({})).await?)
}

#[tokio::test]
async fn documented_commands_install_images_that_can_be_pulled() -> Result<()> {
    let (mut commands, mut additions) = (0, 0);
    for page in pages()? {
        for command in page.commands() {
            let shown = format!("{}: {}", page.path, command.join(" "));
            let file = command.iter().skip_while(|word| *word != "--values").nth(1);
            let mut ways = vec![Vec::new()];
            if let Some(name) = file {
                let (whole, added) = page.file(name)?;
                additions += added.len();
                ways = vec![vec![whole]];
                ways.extend(added.into_iter().map(|added| vec![whole, added]));
            }
            for files in ways {
                let objects = render(&command, &files)
                    .await
                    .with_context(|| shown.clone())?;
                can_be_pulled(&objects).with_context(|| shown.clone())?;
            }
            commands += 1;
        }
    }
    ensure!(
        commands >= 6 && additions >= 2,
        "{commands} commands and {additions} additions to files of values were found"
    );
    Ok(())
}

#[tokio::test]
async fn documented_gitops_objects_install_images_that_can_be_pulled() -> Result<()> {
    let mut kinds = Vec::new();
    for page in pages()? {
        for block in page.blocks() {
            if !block.starts_with("apiVersion: argoproj.io/")
                && !block.starts_with("apiVersion: helm.toolkit.fluxcd.io/")
            {
                continue;
            }
            let object: Value = serde_saphyr::from_str(block)?;
            let kind = object["kind"].as_str().unwrap_or_default();
            let (folder, values) = match kind {
                "Application" => {
                    let source = &object["spec"]["source"];
                    (&source["path"], &source["helm"]["valuesObject"])
                }
                "HelmRelease" => (
                    &object["spec"]["chart"]["spec"]["chart"],
                    &object["spec"]["values"],
                ),
                other => bail!(
                    "{}: this test does not know the kind {other:?}: add it",
                    page.path
                ),
            };
            let name = folder
                .as_str()
                .unwrap_or_default()
                .trim_start_matches("charts/");
            let objects = chart::render(name, "tracewright", "tracewright", values).await?;
            can_be_pulled(&objects).with_context(|| format!("{}: {kind}", page.path))?;
            kinds.push(kind.to_owned());
        }
    }
    ensure!(kinds == ["Application", "HelmRelease"], "{kinds:?}");
    Ok(())
}
