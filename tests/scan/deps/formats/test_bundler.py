"""Bundler: lock files with platforms and checksums, groups of Gemfiles, gemspecs."""

from __future__ import annotations

import pytest

from haechi.errors import InputError
from haechi.model.package import Source
from tests.scan.deps.formats.written import (
    Written,
    development,
    direct,
    kinds,
    lines,
    named,
    needs,
    survives,
    told,
    versions,
)

_LOCK = """\
    GIT
      remote: https://user:token@git.example/forked.git
      revision: 0123456789abcdef
      branch: main
      specs:
        forked (1.0.0)
          rack (>= 2)

    PATH
      remote: .
      specs:
        shop (0.1.0)
          rack (~> 3.0)

    PATH
      remote: engines/pay
      specs:
        pay (0.2.0)

    GEM
      remote: https://rubygems.org/
      specs:
        mini_portile2 (2.8.5)
        nokogiri (1.15.0)
          mini_portile2 (~> 2.8.2)
        nokogiri (1.15.0-x86_64-linux)
          racc (~> 1.4)
        racc (1.7.1)
        rack (3.0.8)
        rspec (3.12.0)
          rspec-core (~> 3.12.0)
          bundler
        rspec-core (3.12.2)

    PLATFORMS
      ruby
      x86_64-linux

    DEPENDENCIES
      forked!
      nokogiri
      pay!
      rspec (~> 3.12)
      shop!

    CHECKSUMS
      nokogiri (1.15.0) sha256=aa
      nokogiri (1.15.0-x86_64-linux) sha256=bb
      rack (3.0.8) sha256=cc

    RUBY VERSION
       ruby 3.3.0p0

    BUNDLED WITH
       2.5.3
    """
_GEMFILE = """\
    source "https://rubygems.org"
    gemspec
    gem "forked", git: "https://x" # group: :test
    if ENV["X"]
      gem 'nokogiri', '>= 1.15', '< 2'
    end
    group :development, :test do
      gem("rspec", "~> 3.12")
      platforms :mri do
        gem "pay", path: "engines/pay"
      end
    end
    gem "pay", path: "engines/pay"
    """


def test_every_section() -> None:
    file = told("Gemfile.lock", _LOCK)
    assert versions(file) == {
        "forked": "1.0.0",
        "shop": "0.1.0",
        "pay": "0.2.0",
        "mini_portile2": "2.8.5",
        "nokogiri": "1.15.0",
        "racc": "1.7.1",
        "rack": "3.0.8",
        "rspec": "3.12.0",
        "rspec-core": "3.12.2",
    }
    assert needs(file) == {
        "forked": ["rack"],
        "shop": ["rack"],
        "nokogiri": ["mini_portile2", "racc"],
        "rspec": ["rspec-core"],
    }
    assert direct(file) == {"forked", "nokogiri", "pay", "rspec", "shop", "rack"}
    forked = named(file, "forked")
    assert (forked.source, forked.url) == (
        Source.GIT,
        "https://git.example/forked.git#0123456789abcdef",
    )
    assert named(file, "pay").source is Source.PATH
    assert named(file, "shop").source is Source.WORKSPACE
    assert (file.name, file.version) == ("shop", "0.1.0")
    assert named(file, "nokogiri").digests == ("sha256:aa", "sha256:bb")
    assert lines(file)["nokogiri"] == 24


def test_groups_of_the_gemfile_make_the_scope() -> None:
    tree = Written({"Gemfile.lock": _LOCK, "Gemfile": _GEMFILE})
    assert development(tree.told("Gemfile.lock")) == {"rspec", "rspec-core"}


def test_wishes_of_a_gemspec_for_development() -> None:
    spec = "Gem::Specification.new do |s|\n s.add_development_dependency 'rspec'\nend"
    tree = Written({"gems.locked": _LOCK, "gems.rb": "gemspec\n", "shop.gemspec": spec})
    assert development(tree.told("gems.locked")) == {"rspec", "rspec-core"}


@pytest.mark.parametrize(
    ("line", "tests_only"),
    [
        ("gem 'a', group: :test", True),
        ("gem 'a', group: [:development, :test]", True),
        ("gem 'a', :groups => %i[development test]", True),
        ("gem 'a', '~> 1', require: false, group: 'test'", True),
        ("gem 'a', group: :production", False),
        ("gem 'a', group: [:test, :production]", False),
        ("gem 'a' # group: :test", False),
        ("group(:test) do\n gem 'a'\nend", True),
        ("group :test, optional: true do\n gem 'a'\nend", True),
        ("group :test do\n if x\n end\n gem 'a'\nend", True),
        ("group :test do\n gem 'b' if x\nend\ngem 'a'", False),
        ("group :assets do\n gem 'a'\nend", False),
        ("group :test do\n gem 'a'\nend\ngem 'a'", False),
        ("group :test do\n x = if y\n end\nend\ngem 'a'", False),
        ("group :test do\n each do |x|\n  z\n end\nend\ngem 'a'", False),
    ],
)
def test_gemfile_groups(line: str, tests_only: bool) -> None:
    assert ("a" in development(told("Gemfile", line))) is tests_only


def test_gemfile_alone_asks() -> None:
    file = told("Gemfile", _GEMFILE)
    assert not file.pins
    assert versions(file) == {"forked": "", "nokogiri": "", "rspec": "", "pay": ""}
    assert named(file, "nokogiri").constraint == ">= 1.15, < 2"
    assert named(file, "forked").source is Source.GIT
    assert named(file, "pay").source is Source.PATH
    assert versions(told("Gemfile", "gem 'a', '1.2.3'\ngem 'b', '= 2.0'")) == {
        "a": "1.2.3",
        "b": "2.0",
    }


def test_gemspec_alone_asks() -> None:
    file = told(
        "x.gemspec",
        """\
        Gem::Specification.new do |spec|
          spec.name = "x"
          spec.add_dependency "a", "~> 1.0", ">= 1.0.2"
          spec.add_runtime_dependency(%q<b>, ["= 2.0"])
          spec.add_development_dependency 'c'
        end
        """,
    )
    assert file.name == "x"
    assert set(versions(file)) == {"a", "b", "c"}
    assert named(file, "a").constraint == "~> 1.0, >= 1.0.2"
    assert development(file) == {"c"}


def test_damaged_files_never_crash() -> None:
    assert survives("Gemfile.lock", _LOCK, {"Gemfile": _GEMFILE}) > 50
    assert survives("Gemfile", _GEMFILE) > 50


def test_what_is_not_understood_is_told() -> None:
    file = told("Gemfile.lock", "GEM\n  specs:\n    a (1)\n    b 2 3\n  : x\n")
    assert versions(file) == {"a": "1"}
    assert kinds(file) == ["syntax"]
    assert file.gaps[0].reason == "lines that are not as the tool writes them: 2"
    with pytest.raises(InputError, match="no section"):
        told("Gemfile.lock", "hello\n")
