"""Sentences about networks and their configs."""

from estimator.core.notice import add_messages

add_messages(
    config_not_json="{field} is not a JSON object: pass the content of a config.json",
    config_key_missing="{key} is missing from the config",
    config_key_whole="{key} must be a positive integer, got {value}",
    config_key_least="{key} must be an integer of at least {least}, got {value}",
    config_key_most="{key} must be at most {most}, got {value}",
    config_key_most_in_all="{key} must be at most {most} in all, got {value}",
    config_key_list="{key} must be a list, got {value}",
    config_key_object="{key} must be an object, got {value}",
    config_key_flag="{key} must be true or false, got {value}",
    config_key_text="{key} must be a string, got {value}",
    config_key_divides="{key} must divide {divided} = {whole}, got {value}",
    config_usual_divides=(
        "{key} must divide {divided} = {whole}, and is {value} where absent: state it"
    ),
    config_key_counted="{key} {value} is not counted, only {known}",
    config_key_equal="{key} must be {other} = {needed}, got {value}",
    config_key_alike="{key} must be one number, or equal in all layers",
    config_key_square="{key} must be the square of a whole number, got {value}",
    config_key_positive="{key} must be a positive number, got {value}",
    config_key_shrinks="{key} must be at most 1, got {value}",
    config_key_number="{key} must be a number, got {value}",
    config_list_stages="{key} must have {count} items, one per stage, got {value}",
    config_usual_stages=(
        "{key} must have {count} items, one per stage, and has {value} where absent: state it"
    ),
    config_list_layers="{key} must have {count} items, one per layer, got {value}",
    config_list_least=(
        "{key} must have at least {count} item, one per stage, got {value}",
        "{key} must have at least {count} items, one per stage, got {value}",
    ),
    config_list_most="{key} must have at most {most} items, got {value}",
    config_part_unknown="{key} {value} is not known inside such a model",
    config_part_wrapper=(
        "{key} {value} is itself a wrapper of images or sound and text, not a language model"
    ),
    config_nested="the config is nested more than {most} levels deep: give that of one model",
    input_too_small="the input is too small for the network: a window of {kernel} does not fit",
    architecture_unknown="{name} is no known architecture: known are {known}",
    network_not_compiled=(
        "{type} is known in published sizes only: {key} is {value}, {known} in {name}; count it "
        'with PyTorch (pip install "twenty-watts[count]")'
    ),
    size_not_compiled=(
        "{type} is counted at its usual size only: drop {field}, or count it with PyTorch "
        '(pip install "twenty-watts[count]")'
    ),
    model_type_missing="model_type is missing: a config.json names its family there",
    model_type_unknown=(
        "model_type {name} is not known: none of the {known} known types is named like it"
    ),
    model_type_near="model_type {name} is not known: did you mean {near}?",
    config_file_address="{path} is an address: save its config.json, and pass the path",
    config_file_directory="{path} is a directory: pass the config.json inside it",
    config_file_absent="{path} does not exist: pass the path of a config.json",
    config_file_device="{path} is a pipe or a device: save the config.json, and pass its path",
    config_file_weights="{path} is a file of weights: give the model's config.json",
    config_file_large=(
        "{path} is larger than {most}, a config.json is a few kB: did you pass the weights?"
    ),
    config_file_not_unicode="{path} is not Unicode text: did you pass the weights?",
    config_file_empty="{path} is empty: save the config.json again",
    config_file_web_page="{path} is a web page: save the raw config.json",
    config_file_not_json="{path} is not JSON, beginning with a brace: save the raw config.json",
    config_file_beyond_reading=(
        "{path} is not JSON of a config: it has numbers of thousands of digits or nests too deep"
    ),
    config_file_cut_off="{path} is not JSON ({error}): is it cut off?",
    config_file_not_object="{path} holds {kind}, not an object: not a config.json",
    config_of_adapter=(
        "this is the adapter_config.json of a {kind} adapter, without sizes: give that of its "
        "base model"
    ),
    config_of_adapter_over=(
        "this is the adapter_config.json of a {kind} adapter, without sizes: give the "
        "config.json of its base model {base}"
    ),
    config_of_pipeline=(
        "this is the model_index.json of {name}: give the config.json of one of its parts, in "
        "the folder unet, transformer, vae or text_encoder"
    ),
    config_of_scheduler=(
        "this is the config of {name}, a scheduler without parameters: give that of a model"
    ),
    config_of_other_file="this is {kind}, not a config: give the model's config.json",
    model_class_near="{name} of diffusers is not known: did you mean {near}?",
    model_class_unknown=(
        "{name} of diffusers is not known: none of the {known} known classes is named like it"
    ),
    no_items_left="the input is too small for the network: none of it is left",
)
