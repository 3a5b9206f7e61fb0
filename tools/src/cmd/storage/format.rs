//! `format`: gives directories a cluster's id.

use std::path::{Path, PathBuf};

use rkafka_broker::quorum;
use rkafka_config::{NodeSettings, Quorum};
use rkafka_core::ids::TopicId;
use rkafka_log::dirs::{DirIdentity, META_PROPERTIES};
use rkafka_log::disk::real::RealDisk;

use super::{Options, directories, random_id};
use crate::common::failure::Failure;
use crate::common::output;

/// The release whose features rkafka serves.
const RELEASES: [&str; 2] = ["4.3", "4.3-IV0"];
const METADATA_VERSION: &str = "4.3-IV0";

pub(super) fn format(options: &Options, node: &NodeSettings) -> Result<(), Failure> {
    let quorum = quorum(options, node).map_err(Failure::message)?;
    check_features(options).map_err(Failure::message)?;
    let cluster_id = options.cluster_id.clone().unwrap_or_default();
    let unformatted = unformatted(options, node, &cluster_id).map_err(Failure::message)?;
    if unformatted.is_empty() {
        return output::write("All of the log directories are already formatted.\n");
    }
    for directory in unformatted {
        let is_metadata = directory == node.metadata_log_dir;
        let what = match (&quorum, is_metadata) {
            (Formed::Dynamic { .. }, true) => "dynamic metadata voter directory",
            (Formed::NonVoter, true) => "dynamic metadata non-voter directory",
            (Formed::Static, true) => "metadata directory",
            (_, false) => "data directory",
        };
        let shown = directory.display();
        output::write(&format!("Formatting {what} {shown} with metadata.version {METADATA_VERSION}.\n"))?;
        let directory_id = match &quorum {
            Formed::Dynamic { directory: Some(id) } if is_metadata => id.clone(),
            _ => random_id(),
        };
        let identity = DirIdentity {
            cluster_id: Some(cluster_id.clone()),
            node_id: node.id,
            directory_id: Some(directory_id),
        };
        write(&directory, &identity, is_metadata).map_err(Failure::message)?;
    }
    Ok(())
}

/// The directory of the metadata also gets the quorum's, so that the voter has the id that was given.
fn write(directory: &Path, identity: &DirIdentity, is_metadata: bool) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| {
        format!("Unable to create storage directory {}: {error}", directory.display())
    };
    std::fs::create_dir_all(directory).map_err(|error| failed(&error))?;
    if let Some(id) = identity.directory_id.as_deref().filter(|_| is_metadata) {
        let id: TopicId = id.parse().map_err(|error| failed(&error))?;
        quorum::prepare(directory, id).map_err(|error| failed(&error))?;
    }
    identity.save(&RealDisk, directory).map_err(|error| failed(&error))
}

/// How the quorum is made known.
#[derive(Debug, PartialEq, Eq)]
enum Formed {
    /// By the configuration.
    Static,
    /// By the format command (KIP-853).
    Dynamic {
        /// The id that the metadata's directory must have.
        directory: Option<String>,
    },
    /// By the format command, which names other nodes.
    NonVoter,
}

fn quorum(options: &Options, node: &NodeSettings) -> Result<Formed, String> {
    let is_dynamic = matches!(node.quorum, Quorum::Bootstrap(_));
    if matches!(node.quorum, Quorum::Voters(_))
        && (options.standalone || options.initial_controllers.is_some())
    {
        return Err(
            "You cannot specify controller.quorum.voters and format the node with --initial-controllers or \
             --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and specify \
             controller.quorum.bootstrap.servers instead."
                .to_owned(),
        );
    }
    if options.standalone && !node.roles.controller {
        return Err("You can only use --standalone on a controller.".to_owned());
    }
    match &options.initial_controllers {
        Some(text) => initial_controllers(text, node),
        None if options.standalone => Ok(Formed::Dynamic { directory: None }),
        None if !is_dynamic || options.no_initial_controllers || !node.roles.controller => Ok(Formed::Static),
        None => Err(
            "Because controller.quorum.voters is not set on this controller, you must specify one of the following: \
             --standalone, --initial-controllers, or --no-initial-controllers."
                .to_owned(),
        ),
    }
}

/// Reads `id@host:port:directory,…`; what it says of this node.
fn initial_controllers(text: &str, node: &NodeSettings) -> Result<Formed, String> {
    let voters: Vec<&str> = text.split(',').filter(|voter| !voter.is_empty()).collect();
    if voters.is_empty() {
        return Err("No voters given.".to_owned());
    }
    let mut own = None;
    for voter in voters {
        let (id, directory) = initial_controller(voter)?;
        if node.id.is_none_or(|own| own == id) {
            own.get_or_insert(directory);
        }
    }
    Ok(match own {
        Some(directory) => Formed::Dynamic { directory: Some(directory) },
        None => Formed::NonVoter,
    })
}

/// The node's and its directory's id.
fn initial_controller(voter: &str) -> Result<(i32, String), String> {
    let (id, rest) = voter.split_once('@').ok_or("No @ found in dynamic voter string.")?;
    let id: i32 = id.parse().map_err(|_| "Failed to parse node id in dynamic voter string.")?;
    let (address, directory) = rest.rsplit_once(':').ok_or("No colon following port could be found.")?;
    rkafka_config::HostPort::parse(address, None)
        .map_err(|_| "Failed to parse port in dynamic voter string.")?;
    if directory.parse::<TopicId>().is_err() {
        return Err("Failed to parse directory ID in dynamic voter string.".to_owned());
    }
    Ok((id, directory.to_owned()))
}

fn check_features(options: &Options) -> Result<(), String> {
    if let Some(release) = options.release_version.as_deref().filter(|release| !RELEASES.contains(release)) {
        return Err(format!(
            "--release-version {release} is not served: rkafka has the features of {} alone. Leave the option out.",
            RELEASES[0]
        ));
    }
    if let Some(feature) = options.feature.first() {
        return Err(format!("--feature {feature} is not served yet: a cluster begins with the defaults."));
    }
    if !options.add_scram.is_empty() {
        return Err("--add-scram is not served yet: rkafka has no SCRAM credentials so far.".to_owned());
    }
    Ok(())
}

/// The directories to format; formatted ones must be of the same cluster and node.
fn unformatted(options: &Options, node: &NodeSettings, cluster_id: &str) -> Result<Vec<PathBuf>, String> {
    let (mut data, mut metadata) = (Vec::new(), Vec::new());
    let mut formatted = None;
    for directory in directories(node) {
        let file = directory.join(META_PROPERTIES);
        match DirIdentity::load(&RealDisk, &directory) {
            Ok(None) if directory == node.metadata_log_dir => metadata.push(directory),
            Ok(None) => data.push(directory),
            Ok(Some(identity)) => {
                let file = file.display();
                if let Some(own) = identity.cluster_id.filter(|own| own != cluster_id) {
                    return Err(format!(
                        "Invalid cluster.id in: {file}. Expected {cluster_id}, but read {own}"
                    ));
                }
                if let (Some(own), Some(id)) = (identity.node_id, node.id)
                    && own != id
                {
                    return Err(format!(
                        "Stored node id {own} doesn't match previous node id {id} in: {file}"
                    ));
                }
                formatted.get_or_insert(directory);
            }
            Err(error) => return Err(format!("Error loading {}: {error}", file.display())),
        }
    }
    if let Some(directory) = formatted.filter(|_| !options.ignore_formatted) {
        let shown = directory.display();
        return Err(format!(
            "Log directory {shown} is already formatted. Use --ignore-formatted to ignore this directory and format \
             the others."
        ));
    }
    data.extend(metadata);
    Ok(data)
}
