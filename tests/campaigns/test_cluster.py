import os
import stat
import subprocess
import time

import pytest
import yaml
from fireworks import FWorker
from fireworks.utilities.fw_serializers import load_object_from_file

from invdesflow.campaigns.doctor.findings import carry_out
from invdesflow.campaigns.launching.categories import CATEGORIES
from invdesflow.campaigns.launching.cluster_checks import cluster_checks, script
from invdesflow.campaigns.launching.cluster_detection import detected_profile
from invdesflow.campaigns.launching.cluster_files import launch_lines, write_cluster
from invdesflow.campaigns.launching.cluster_profile import Profile, commented, read_profile
from invdesflow.errors import ConfigurationError
from invdesflow.settings import SETTINGS_FILE_VARIABLE, get_settings

PROFILE = """
scheduler: {scheduler}
partition: compute
account: proj1
setup: [module load openmpi/4.1]
espresso: {{bin: /opt/qe/bin, launcher: "srun -n {{ranks}}", pools: 4}}
ml: {{cores: 8, at_once: 2, options: {options}}}
dft: {{nodes: 2, cores: 16, wall_time: 12:00:00, options: {options}}}
epw: {{cores: 1, wall_time: "100:30:00", options: {options}}}
"""
DIRECTIVES = {
    "slurm": ["--nodes=2", "--ntasks=32", "--time=12:00:00", "--partition=compute", "--account=proj1", "--mem=0"],
    "pbs": ["-l select=32:ncpus=1:mpiprocs=1", "-l walltime=12:00:00", "-q compute", "-A proj1"],
    "sge": ["-pe mpi 32", "-l h_rt=12:00:00", "-q compute", "-P proj1"],
    "lsf": ["-n 32", "-R span[ptile=16]", "-W 720", "-q compute", "-P proj1"],
}
OPTIONS = {"slurm": "{mem: 0}", "sge": "{parallel_environment: mpi}"}


def profile_of(folder, scheduler):
    file = folder / "profile.yaml"
    file.write_text(PROFILE.format(scheduler=scheduler, options=OPTIONS.get(scheduler, "{}")))
    return read_profile(file)


@pytest.mark.parametrize("scheduler", DIRECTIVES)
def test_the_scripts_ask_for_what_the_profile_says(scheduler, database, tmp_path):
    folder = write_cluster(database, profile_of(tmp_path, scheduler), tmp_path / "cluster")
    text = script(folder, "dft")
    assert [
        line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith(("#SBATCH", "#PBS", "#$", "#BSUB"))
    ]
    for directive in DIRECTIVES[scheduler]:
        assert directive in text
    assert "$$" not in text
    assert "singleshot" in text
    assert "rlaunch" in script(folder, "ml").split("multi 2")[0]


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_shell_lines_of_a_script_give_our_settings(category, database, tmp_path, monkeypatch):
    """Run what a job runs before its rocket, with what Slurm would have set."""
    monkeypatch.setenv("INVDESFLOW_QUERY_TIME_LIMIT_S", "7")
    get_settings.cache_clear()
    monkeypatch.setattr(database, "settings", get_settings())
    folder = write_cluster(database, profile_of(tmp_path, "slurm"), tmp_path / "cluster folder")
    before = script(folder, category).split("cd ")[0].replace("\nmodule load", "\ntrue")
    folder.environment.write_text(folder.environment.read_text().replace("module load", "true"))
    shown = subprocess.run(
        ["bash", "-c", before + "\nenv -0"],
        env={"PATH": os.environ["PATH"], "SLURM_NTASKS": "32"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    environment = dict(pair.split("=", 1) for pair in shown.split("\0") if "=" in pair)
    for name in [name for name in os.environ if name.startswith("INVDESFLOW_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        if name.startswith("INVDESFLOW_"):
            monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    settings = get_settings()
    assert settings.stores == database.path
    assert settings.query_time_limit_s == 7
    assert str(settings.espresso_bin) == "/opt/qe/bin"
    expected = {"ml": (4, 32, 4), "dft": (16, 32, 4), "epw": (1, 32, 1)}[category]
    assert (settings.workers, settings.espresso_ranks, settings.espresso_pools) == expected
    hours = {"ml": None, "dft": 12, "epw": 100.5}[category]
    if hours is None:
        assert settings.espresso_end_time is None
    else:
        assert settings.espresso_end_time == pytest.approx(time.time() + 0.9 * 3600 * hours, abs=300)
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment[SETTINGS_FILE_VARIABLE] == str(folder.settings)


def test_the_files_are_for_the_user_alone_and_are_not_written_over(database, tmp_path):
    profile = profile_of(tmp_path, "slurm")
    folder = write_cluster(database, profile, tmp_path / "cluster")
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    written = [path for path in folder.path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(written) == 12
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
    folder.queue("ml").write_text("mine")
    with pytest.raises(ConfigurationError, match="--force"):
        write_cluster(database, profile, folder.path)
    assert folder.queue("ml").read_text() == "mine"
    write_cluster(database, profile, folder.path, "# as I wrote it", force=True)
    assert folder.source.read_text() == "# as I wrote it"
    assert load_object_from_file(str(folder.queue("ml")))["job_name"] == "ml"


def test_fireworks_reads_what_is_written(database, tmp_path):
    folder = write_cluster(database, profile_of(tmp_path, "slurm"), tmp_path / "cluster")
    findings = {f.subject: f for check in cluster_checks(folder, database.store_file) for f in carry_out(check)}
    for subject in ("FireWorks' settings", "launchpad", "job store", "rlaunch"):
        assert findings[subject].verdict == "ok", findings[subject]
    assert findings["database and nodes"].verdict == "missing", "other nodes cannot reach a server on loopback"
    assert "mongodb.yaml" in findings["database and nodes"].remedy
    worker = FWorker.from_file(str(folder.worker("ml")))
    assert worker.query["spec._category"] == {"$in": ["ml", None]}, "what has no category is taken, too"
    assert FWorker.from_file(str(folder.worker("epw"))).query["spec._category"] == {"$in": ["epw"]}
    lines = launch_lines(folder)
    assert lines[0].startswith("source ")
    assert [" -r " in line for line in lines[1:]] == [False, True, True]


def test_another_configuration_of_fireworks_is_found(database, tmp_path, monkeypatch):
    folder = write_cluster(database, profile_of(tmp_path, "slurm"), tmp_path / "cluster")
    home = tmp_path / "home"
    (home / ".fireworks").mkdir(parents=True)
    (home / ".fireworks" / "FW_config.yaml").write_text("RAPIDFIRE_SLEEP_SECS: 1\n")
    monkeypatch.setenv("HOME", str(home))
    [first, *_] = cluster_checks(folder, database.store_file)
    [finding] = carry_out(first)
    assert finding.verdict == "missing"
    assert str(home) in finding.found


def test_an_option_that_the_script_does_not_know_is_refused(database, tmp_path):
    profile = profile_of(tmp_path, "slurm")
    profile.dft.options["memory"] = 4
    folder = write_cluster(database, profile, tmp_path / "cluster")
    with pytest.raises(ConfigurationError, match="option memory"):
        script(folder, "dft")


def test_a_template_of_ones_own(database, tmp_path):
    profile = profile_of(tmp_path, "slurm")
    profile.template = tmp_path / "mine.txt"
    with pytest.raises(ConfigurationError, match="template"):
        write_cluster(database, profile, tmp_path / "cluster")
    profile.template.write_text(
        "#!/bin/sh\n#SBATCH --licenses=$${licence} -p mine\n$${pre_rocket}\n$${rocket_launch}\n"
    )
    profile.ml.options, profile.epw.options = {"licence": "matlab"}, {}
    folder = write_cluster(database, profile, tmp_path / "cluster")
    assert script(folder, "ml").startswith("#!/bin/sh\n#SBATCH --licenses=matlab -p mine\nsource ")
    assert "licenses" not in script(folder, "epw")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cores: 3", "cores: is not a known key"),
        ("dft: {corse: 3}", "dft.corse: is not a known key"),
        ("dft: {wall_time: 3h}", "hours:minutes:seconds"),
        ("dft: {wall_time: 0:01:00}", "120 s"),
        ("dft: {at_once: 2}", "packed"),
        ("ml: {cores: 3, at_once: 2}", "evenly"),
        ("ml: {nodes: 2}", "one node"),
        ("partition: a b", "one word"),
        ("account: |\n  x\n  rm -rf /", "one word"),
        ("espresso: {pools: 3}", "pools"),
        ("scheduler: lsf", "partition"),
        ("scheduler: sge\ndft: {cores: 2}", "parallel_environment"),
    ],
)
def test_a_wrong_profile_is_refused_by_name(text, words, tmp_path):
    file = tmp_path / "profile.yaml"
    file.write_text(text if "scheduler" in text else f"scheduler: slurm\n{text}")
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_profile(file)
    assert "\n" not in str(caught.value)


def test_the_first_profile_is_one_with_every_key_explained():
    profile = detected_profile("lsf")
    text = commented(profile)
    assert Profile.model_validate(yaml.safe_load(text)) == profile
    assert all("#" in line for line in text.splitlines())


def test_a_time_without_quotes_is_the_same_time(tmp_path):
    file = tmp_path / "profile.yaml"
    file.write_text("scheduler: slurm\ndft: {wall_time: 24:00:00}\nepw: {wall_time: 1:02:03}\n")
    profile = read_profile(file)
    assert (profile.dft.wall_time, profile.dft.seconds) == ("24:00:00", 86400)
    assert (profile.epw.wall_time, profile.epw.seconds) == ("01:02:03", 3723)
