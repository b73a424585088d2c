"""Classes found by name, and objects that save themselves."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import KeyMissingError, SpecError, WrongTypeError
from thunderlike.util import NamedRegistry, Saveable, SaveableRegistry


class Model(SaveableRegistry):
    def __init__(self, weights=None, **more):
        self.weights, self.more = weights, more

    @classmethod
    def load_from_dict(cls, d):
        return cls(d.get("weights"))

    def save_to_dict(self):
        return {"weights": self.weights, **self.more}


@Model.register("linear")
class Linear(Model): ...


def test_a_registered_class_is_loaded_through_its_base(tmp_path):
    Linear(np.arange(3)).save(tmp_path / "m.h5")
    found = Model.load(tmp_path / "m.h5")
    assert type(found) is Linear
    assert found.weights.tolist() == [0, 1, 2]
    assert tl.load(tmp_path / "m.h5", "/name") == "linear"
    assert type(Linear.load(tmp_path / "m.h5")) is Linear
    assert Model.load(None).weights is None


def test_an_unregistered_class_writes_no_name(tmp_path):
    Model(1).save(tmp_path / "m.h5")
    assert list(tl.load(tmp_path / "m.h5")) == ["weights"]
    assert Model.load(tmp_path / "m.h5").weights == 1
    tl.save(tmp_path / "m.h5", {"weights": 2, "name": "noname"})
    assert Model.load(tmp_path / "m.h5").weights == 2


def test_an_entry_called_name_may_not_differ(tmp_path):
    with pytest.raises(SpecError, match="'name'"):
        Linear(1, name="other").save(tmp_path / "m.h5")


def test_hierarchies_have_registries_of_their_own():
    class One(NamedRegistry): ...

    class Two(NamedRegistry): ...

    @One.register("x")
    class First(One): ...

    @Two.register("x")
    class Second(Two): ...

    class Below(First): ...

    assert One.getclass("x") is First
    assert Two.construct("x").name == "x"
    assert Below().name == "x"  # as deepdish: saved, it is loaded as what was registered
    assert list(One.registry()) == ["x"]
    with pytest.raises(KeyMissingError, match="no class 'never registered'; registered: x"):
        One.getclass("never registered")
    assert NamedRegistry.getclass("x") is Second  # the later of the two


def test_the_bases_of_all_find_what_a_subclass_registered(tmp_path):
    @Model.register("of this test")  # other hierarchies may have taken another name
    class Curved(Model): ...

    class Steep(Curved): ...

    Curved(3).save(tmp_path / "m.h5")
    found = SaveableRegistry.load(tmp_path / "m.h5")
    assert (type(found), found.weights) == (Curved, 3)
    assert NamedRegistry.getclass("of this test") is Curved
    assert type(SaveableRegistry.construct("of this test")) is Curved
    assert SaveableRegistry.registry()["of this test"] is Curved
    assert Steep().name == "of this test"
    Steep(4).save(tmp_path / "m.h5")
    assert type(Model.load(tmp_path / "m.h5")) is Curved


def test_registering_through_a_base_is_found_through_the_class():
    class Base(NamedRegistry): ...

    @NamedRegistry.register("through a base")
    class First(Base): ...

    assert Base.getclass("through a base") is First


def test_a_cell_that_runs_again_replaces_what_it_registered():
    class Base(NamedRegistry): ...

    def cell():
        @Base.register("x")
        class First(Base): ...

        return First

    cell()
    again = cell()
    assert Base.getclass("x") is again


def test_an_entry_called_name_where_nothing_is_registered(tmp_path):
    class Person(SaveableRegistry):
        @classmethod
        def load_from_dict(cls, d):
            made = cls()
            made.called = d["name"]
            return made

        def save_to_dict(self):
            return {"name": "Anna"}

    Person().save(tmp_path / "p.h5")
    assert Person.load(tmp_path / "p.h5").called == "Anna"


def test_a_name_is_taken_once():
    class Base(NamedRegistry): ...

    @Base.register("x")
    class First(Base): ...

    with pytest.raises(SpecError, match="taken by First"):
        Base.register("x")(type("Other", (Base,), {}))
    other = Base.register("x", replace=True)(type("Other", (Base,), {}))
    assert Base.getclass("x") is other
    with pytest.raises(WrongTypeError):
        Base.register("y")(int)
    with pytest.raises(AttributeError):
        First().name = "z"


def test_root_gives_a_fresh_registry():
    class Base(NamedRegistry): ...

    @Base.register("x")
    class First(Base): ...

    @Base.root
    class Fresh(Base): ...

    assert Fresh.registry() == {}
    assert Fresh.getclass("x") is First

    @Fresh.register("x")
    class Other(Fresh): ...

    assert (Fresh.getclass("x"), Base.getclass("x")) == (Other, First)


def test_what_must_be_overridden_says_so(tmp_path):
    with pytest.raises(NotImplementedError, match="save_to_dict"):
        Saveable().save(tmp_path / "x.h5")
    with pytest.raises(NotImplementedError, match="load_from_dict"):
        Saveable.load(None)
