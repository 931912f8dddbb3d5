"""Sentences about networks and their configs."""

from estimator.core.notice import add_messages

add_messages(
    config_not_json="{field} is not a JSON object: pass the content of a config.json",
    config_key_missing="{key} is missing from the config",
    config_key_whole="{key} must be a positive integer, got {value}",
    config_key_least="{key} must be an integer of at least {least}, got {value}",
    config_key_most="{key} must be at most {most}, got {value}",
    config_key_most_in_all="{key} must be at most {most} in total, got {value}",
    config_key_list="{key} must be a list, got {value}",
    config_key_object="{key} must be an object, got {value}",
    config_key_flag="{key} must be true or false, got {value}",
    config_key_text="{key} must be a string, got {value}",
    config_key_divides="{key} must divide {divided} = {whole}, got {value}",
    config_usual_divides=(
        "{key} must divide {divided} = {whole}, but defaults to {value}: specify it"
    ),
    config_key_counted="{key} {value} is not supported; supported: {known}",
    config_key_equal="{key} must be {other} = {needed}, got {value}",
    config_key_alike="{key} must be one number, or equal in all layers",
    config_key_square="{key} must be the square of a whole number, got {value}",
    config_key_positive="{key} must be a positive number, got {value}",
    config_key_shrinks="{key} must be at most 1, got {value}",
    config_key_number="{key} must be a number, got {value}",
    config_list_stages="{key} must have {count} items, one per stage, got {value}",
    config_usual_stages=(
        "{key} must have {count} items, one per stage, but defaults to {value}: specify it"
    ),
    config_list_layers="{key} must have {count} items, one per layer, got {value}",
    config_list_least=(
        "{key} must have at least {count} item, one per stage, got {value}",
        "{key} must have at least {count} items, one per stage, got {value}",
    ),
    config_list_most="{key} must have at most {most} items, got {value}",
    config_part_unknown="{key} {value} is not supported inside this model",
    config_part_wrapper=("{key} {value} is itself a multimodal model, not a language model"),
    config_nested="the config is nested more than {most} levels deep: pass the config of one model",
    input_too_small="the input is too small for the network: a kernel of {kernel} does not fit",
    architecture_unknown="unknown architecture {name}; known: {known}",
    network_not_compiled=(
        "{type} is known in published sizes only: {key} is {value}, {known} in {name}; count it "
        'with PyTorch (pip install "twenty-watts[count]")'
    ),
    size_not_compiled=(
        "{type} is counted at its usual size only: omit {field}, or count it with PyTorch "
        '(pip install "twenty-watts[count]")'
    ),
    model_type_missing="model_type is missing: a config.json needs it to identify the model family",
    model_type_unknown=(
        "unknown model_type {name}; none of the {known} known types has a similar name"
    ),
    model_type_near="unknown model_type {name}: did you mean {near}?",
    config_file_address="{path} is a URL: download its config.json and pass the path",
    config_file_directory="{path} is a directory: pass the config.json inside it",
    config_file_absent="{path} does not exist: pass the path of a config.json",
    config_file_device="{path} is not a regular file: save the config.json and pass its path",
    config_file_weights="{path} is a weights file: pass the model's config.json",
    config_file_large=(
        "{path} is larger than {most}, but a config.json has a few kB: did you pass the weights?"
    ),
    config_file_not_unicode="{path} is not Unicode text: did you pass the weights?",
    config_file_empty="{path} is empty: save the config.json again",
    config_file_web_page="{path} is a web page: save the raw config.json",
    config_file_not_json=(
        "{path} is not JSON, as it does not start with a brace: save the raw config.json"
    ),
    config_file_beyond_reading=(
        "{path} is not a config: it has numbers with thousands of digits or is nested too deep"
    ),
    config_file_cut_off="{path} is not valid JSON ({error}): is it truncated?",
    config_file_not_object="{path} contains {kind}, not an object, so it is not a config.json",
    config_of_adapter=(
        "this is the adapter_config.json of a {kind} adapter, which has no sizes: pass the "
        "config.json of its base model"
    ),
    config_of_adapter_over=(
        "this is the adapter_config.json of a {kind} adapter, which has no sizes: pass the "
        "config.json of its base model {base}"
    ),
    config_of_pipeline=(
        "this is the model_index.json of {name}: pass the config.json in its folder unet, "
        "transformer, vae or text_encoder"
    ),
    config_of_scheduler=(
        "this is the config of {name}, a scheduler without parameters: pass the config of a model"
    ),
    config_of_other_file="this is {kind}, not a config: pass the model's config.json",
    model_class_near="unknown diffusers class {name}: did you mean {near}?",
    model_class_unknown=(
        "unknown diffusers class {name}; none of the {known} known classes has a similar name"
    ),
    no_items_left="the input is too small for the network: nothing is left of it",
)
