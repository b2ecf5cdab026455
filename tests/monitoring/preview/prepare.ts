// SPDX-License-Identifier: Apache-2.0
// From raw frames to what a panel draws: transformations, then units, thresholds and colours, in Grafana's own code.
import {
  DataFrame, DataTransformerConfig, FieldColorModeId, FieldType, GrafanaTheme2, ThresholdsMode,
  fieldMatchers, getDisplayProcessor, getFieldDisplayName, standardTransformers, standardTransformersRegistry, transformDataFrame,
} from '@grafana/data';
import { firstValueFrom } from 'rxjs';

// Some are there under two names.
standardTransformersRegistry.setInit(() => [...new Map(Object.values(standardTransformers).map((transformation: any) => [transformation.id,
  { id: transformation.id, name: transformation.name, transformation, editor: () => null, imageDark: '', imageLight: '' }])).values()]);

function assign(config: any, path: string, value: unknown) {
  const keys = path.split('.');
  const last = keys.pop()!;
  keys.reduce((at, key) => (at[key] = { ...at[key] }), config)[last] = value;
}

function configured(panel: any, frame: DataFrame, all: DataFrame[], theme: GrafanaTheme2, counter: { next: number }) {
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  for (const field of frame.fields) {
    const colours = panel.type === 'timeseries' ? FieldColorModeId.PaletteClassic : FieldColorModeId.Thresholds;
    const thresholds = defaults.thresholds ?? { mode: ThresholdsMode.Absolute, steps: [{ value: null, color: 'green' }] };
    const { unit, decimals, min, max, ...others } = defaults;
    const config: any = structuredClone({ ...others, ...(field.type === FieldType.number ? { unit, decimals, min, max } : {}),
      color: { mode: colours }, thresholds, ...(defaults.color ? { color: defaults.color } : {}), ...field.config,
      custom: { ...defaults.custom, ...field.config.custom } });
    const applied = overrides.filter(({ matcher }: any) => fieldMatchers.get(matcher.id).get(matcher.options)(field, frame, all));
    for (const { id, value } of applied.flatMap(({ properties }: any) => properties)) assign(config, id, structuredClone(value));
    config.thresholds.steps = config.thresholds.steps.map((step: any) => ({ ...step, value: step.value ?? -Infinity }));
    field.config = config;
    if (field.type === FieldType.number) {
      const numbers = field.values.filter((value: any) => value !== null && Number.isFinite(value));
      const [min, max] = [config.min ?? Math.min(...numbers), config.max ?? Math.max(...numbers)];
      field.state = { ...field.state, seriesIndex: counter.next++, range: { min, max, delta: max - min } };
    }
  }
}

export async function prepared(panel: any, raw: DataFrame[], theme: GrafanaTheme2, replace: (text: string) => string) {
  const steps = (panel.transformations ?? []) as DataTransformerConfig[];
  const frames = (await firstValueFrom(transformDataFrame(steps, raw, { interpolate: replace })))
    .map((frame) => ({ ...frame, length: frame.length, fields: frame.fields.map((field) => ({ ...field, config: { ...field.config } })) }));
  const counter = { next: 0 };
  for (const frame of frames) configured(panel, frame, frames, theme, counter);
  for (const frame of frames) {
    for (const field of frame.fields) {
      field.display = getDisplayProcessor({ field, theme, timeZone: 'utc' });
      field.state = { ...field.state, displayName: null };
      field.state.displayName = getFieldDisplayName(field, frame, frames);
    }
  }
  return frames;
}
