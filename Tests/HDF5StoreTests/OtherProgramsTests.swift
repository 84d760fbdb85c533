import Foundation
import HDF5Store
import TestSupport
import Testing

/// Files of this module as Python's readers see them, and theirs as this module does.
@Suite("Other programs")
struct OtherProgramsTests {
  /// The Python of the repository's virtual environment, else the one in PATH.
  private static let python: String = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let own = root.appendingPathComponent(".venv/bin/python").path
    return FileManager.default.isExecutableFile(atPath: own) ? own : "python3"
  }()

  private func run(_ script: String, _ path: String) async throws -> MPIRun {
    let probe = try await MPIRun.run([Self.python, "-c", "import h5py"])
    try #require(
      probe.exitCode == 0,
      "\(Self.python) has no h5py: make .venv at the repository's root and pip install h5py into it")
    return try await MPIRun.run([Self.python, "-c", script, path])
  }

  /// A file with something of everything.
  private func writeSample(to path: String) throws {
    try HDF5File.write(to: path) { file throws in
      try file.defineDimension("measure", values: ["matched", "mean", "größe"])
      try file.defineDimension("layer", values: [0, 1] as [Int32])
      try file.defineDimension("sample", values: [7, 1 << 40] as [Int64])
      try file.defineDimension("bound", length: 2)
      try file.write(
        [1, 2, 3, 4, 5, 6.5], to: "hi", shape: [3, 2], dimensions: ["measure", "layer"], storage: .compressed())
      try file.setAttribute("long_name", "head impact", of: "hi")
      try file.write(
        (0..<8).map { Double($0) }, to: "hi_interval", shape: [2, 2, 2], dimensions: ["bound", "layer", "layer"])
      try file.createDataset(
        "sample_hi", of: Float.self, shape: [2, 3, 2], dimensions: ["sample", "measure", "layer"],
        storage: .compressed())
      for row in 0..<2 {
        try file.writeRows((0..<6).map { Float(row * 6 + $0) }, to: "sample_hi", from: row)
      }
      try file.defineDimension("/skipped/skipped", length: 1)
      try file.write([1] as [Int64], to: "/skipped/id", dimensions: ["skipped"])
      try file.write(["image missing: ü"], to: "/skipped/reason", dimensions: ["skipped"])
      try file.defineDimension("/none/none", length: 0)
      try file.write([] as [Int64], to: "/none/id", dimensions: ["none"])
      try file.write([String](), to: "/none/text", dimensions: ["none"])
      try file.write(["a", ""], to: "short", dimensions: ["layer"])
      let attributes: [String: HDF5Attribute] = [
        "title": "Head Impact", "prompt": "Beschreibe: 犬", "ranks": 3, "beta": 0.25, "Conventions": "CF-1.10",
        "layers": .integers([1, 2]), "names": .strings(["a", "ü"]), "created": "2025-01-01T00:00:00Z",
        "precision": "f32", "model_name": "demo", "model_type": "qwen2_vl",
      ]
      for (name, value) in attributes { try file.setAttribute(name, value) }
    }
  }

  @Test("h5py, and xarray and netCDF4 where installed, see names, values, attributes and dimensions")
  func readByPython() async throws {
    try await Scratch.with { scratch async throws in
      let path = scratch.path("hi.h5")
      try writeSample(to: path)
      let result = try await run(
        """
        import sys, h5py, numpy as np
        path = sys.argv[1]
        with h5py.File(path) as f:
            assert list(f["measure"].asstr("utf-8")) == ["matched", "mean", "größe"]
            assert f["hi"].dtype == "f8" and f["hi"].compression == "gzip" and f["hi"].shuffle
            assert f["hi"][2, 1] == 6.5 and f["hi"].attrs["long_name"].decode() == "head impact"
            assert f["hi"].dims[0][0] == f["measure"] and f["measure"].is_scale
            assert f["sample"][1] == 1 << 40 and f["sample"].dtype == "i8" and f["layer"].dtype == "i4"
            assert (f["sample_hi"][...] == np.arange(12, dtype="f4").reshape(2, 3, 2)).all()
            assert f["skipped/reason"].asstr("utf-8")[0] == "image missing: ü" and f["skipped/id"][0] == 1
            assert f["none/id"].dims[0][0] == f["none/none"] and f["none/id"].shape == (0,)
            assert f.attrs["prompt"].decode() == "Beschreibe: 犬" and f.attrs["ranks"] == 3 and f.attrs["beta"] == 0.25
            assert list(f.attrs["layers"]) == [1, 2] and [n.decode() for n in f.attrs["names"]] == ["a", "ü"]
            def fixed(name, item):
                strings = [item] if isinstance(item, h5py.Dataset) else []
                for info in [h5py.check_string_dtype(d.dtype) for d in strings] + [
                        h5py.check_string_dtype(item.attrs.get_id(a).dtype) for a in item.attrs]:
                    assert info is None or info.length is not None, name
            f.visititems(fixed)
            fixed("/", f)
        def look(d):
            assert d["hi"].dims == ("measure", "layer"), d["hi"].dims
            assert d["sample_hi"].dims == ("sample", "measure", "layer")
            assert float(d["hi"].sel(measure="größe", layer=1)) == 6.5
            assert d["hi_interval"].dims[0] == "bound" and "bound" not in d.variables
            assert int(d["sample"][1]) == 1 << 40 and d.attrs["prompt"] == "Beschreibe: 犬" and d.attrs["ranks"] == 3
            assert float(d["sample_hi"].sel(sample=7).isel(measure=1, layer=0)) == 2
            assert list(d["short"].values) == ["a", ""]
        seen = ["h5py"]
        try: import xarray, h5netcdf
        except ImportError: pass
        else:
            with xarray.open_dataset(path, engine="h5netcdf") as d: look(d)
            with xarray.open_dataset(path, engine="h5netcdf", group="skipped") as d:
                assert d["reason"].dims == ("skipped",) and d["reason"].values[0] == "image missing: ü"
            with xarray.open_dataset(path, engine="h5netcdf", group="none") as d:
                assert d["text"].dims == ("none",) and d["text"].size == 0
            seen.append("h5netcdf")
        try: import xarray, netCDF4
        except ImportError: pass
        else:
            with xarray.open_dataset(path, engine="netcdf4") as d: look(d)
            seen.append("netCDF4")
        print("read by", *seen)
        """, path)
      #expect(result.exitCode == 0, "\(result.standardError)")
      #expect(result.standardOutput.hasPrefix("read by h5py"))
    }
  }

  @Test("what h5py writes is read: other widths, fixed-length strings, byte order, numbers it makes of attributes")
  func writtenByPython() async throws {
    try await Scratch.with { scratch async throws in
      let path = scratch.path("python.h5")
      let result = try await run(
        """
        import sys, h5py, numpy as np
        with h5py.File(sys.argv[1], "w") as f:
            f["big"] = np.array([1.5, -2], dtype=">f4")
            f["half"] = np.array([0.5], dtype="f2")
            f["short"] = np.array([-3], dtype="i2")
            f["unsigned"] = np.array([2**64 - 1], dtype="u8")
            f["fixed"] = np.array([b"abc", b""])
            f["latin"] = np.array([b"\\xfc"])
            f["text"] = ["ü"]
            f["flag"] = np.array([True])
            f["null"] = h5py.Empty("f8")
            f.create_dataset("lying", shape=(1 << 40,), dtype="f8", chunks=(1 << 10,))
            f.attrs["f32"] = np.float32(0.5); f.attrs["i8"] = np.int8(-1); f.attrs["bytes"] = np.bytes_("abc")
            f.attrs["flag"] = True; f.attrs["square"] = np.zeros((2, 2))
            f["loop"] = h5py.SoftLink("/nowhere")
        """, path)
      try #require(result.exitCode == 0, "\(result.standardError)")
      try HDF5File.read(from: path) { file throws in
        #expect(try file.read("big", as: Float.self).values == [1.5, -2])
        #expect(try file.read("half", as: Double.self).values == [0.5])
        #expect(try file.read("short", as: Int64.self).values == [-3])
        #expect(try file.readStrings("fixed").values == ["abc", ""])
        #expect(try file.readStrings("text").values == ["ü"])
        #expect(try file.read("null", as: Double.self).values == [])
        #expect(try file.attribute("f32") == 0.5)
        #expect(try file.attribute("i8") == -1)
        #expect(try file.attribute("bytes") == "abc")
        #expect(try file.elementType(of: "unsigned") == .other("uint64"))
        for name in ["unsigned", "flag", "lying", "loop"] {
          #expect(throws: HDF5Error.self, "\(name)") { try file.read(name, as: Int64.self) }
          #expect(throws: HDF5Error.self, "\(name)") { try file.read(name, as: Double.self) }
        }
        let error = #expect(throws: HDF5Error.self) { try file.readStrings("latin") }
        #expect(error?.description.contains("isn't UTF-8") == true)
        #expect(throws: HDF5Error.self) { try file.attribute("flag") }
        #expect(throws: HDF5Error.self) { try file.attribute("square") }
      }
    }
  }
}
