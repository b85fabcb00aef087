"""From plain files to arrays: tables, IDX, NumPy files; schema, preprocessing, splits, batches.

`training_data.read_training` and `prediction.read_for_prediction` are the ways in; `spec.DataSpec` is the
part of a recipe that tells them what to read. `paths.resolve_path` finds any data file.
"""
